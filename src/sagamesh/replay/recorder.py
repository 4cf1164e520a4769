"""Keeping the commands of replayed code: the SDK's replayer shows only whether the engine accepted them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

from temporalio.api.failure.v1 import Failure
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.plugin import SimplePlugin
from temporalio.worker import (
    ReplayerConfig,
    UnsandboxedWorkflowRunner,
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowRunner,
)
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import Info

from sagamesh.replay.origin import Origin

__all__ = ["Recorder", "Recording"]


@dataclass(slots=True)
class Recording:
    """What one replayed run did.

    - `commands`: each with the id of the event that started its workflow task, in the order in which it was issued.
    - `failure`: what the code raised where a workflow must not; empty when nothing.
    """

    origin: Origin
    commands: list[tuple[int, WorkflowCommand]] = field(default_factory=list)
    failure: str = ""


class Recorder(SimplePlugin):
    """A plugin that makes a `Replayer` keep the commands of each run. It must come after all other plugins."""

    def __init__(self) -> None:
        super().__init__("sagamesh.replay")
        self._current: Recording | None = None
        self._known: set[str | None] = set()

    def begin(self, origin: Origin) -> None:
        """Start a recording. The replayer works on one history after the other."""
        self._current = Recording(origin)

    @property
    def current(self) -> Recording:
        """The recording that was begun last.

        Raises:
            RuntimeError: before the first.
        """
        if self._current is None:
            raise RuntimeError("nothing has been replayed yet")
        return self._current

    def knows(self, workflow_type: str) -> bool:
        """Whether the replayer has a class for this type."""
        return workflow_type in self._known or None in self._known

    @property
    def known(self) -> list[str]:
        """The workflow types that the replayer has classes for."""
        return sorted(name for name in self._known if name is not None)

    def configure_replayer(self, config: ReplayerConfig) -> ReplayerConfig:
        """Wrap the runners that the other plugins chose."""
        config = super().configure_replayer(config)
        config["workflow_runner"] = _Runner(config.get("workflow_runner") or SandboxedWorkflowRunner(), self)
        config["unsandboxed_workflow_runner"] = _Runner(
            config.get("unsandboxed_workflow_runner") or UnsandboxedWorkflowRunner(), self
        )
        return config

    def _prepared(self, name: str | None) -> None:
        self._known.add(name)

    def _recording(self, run_id: str) -> Recording | None:
        current = self._current
        return current if current is not None and current.origin.run_id == run_id else None


class _Runner(WorkflowRunner):
    def __init__(self, inner: WorkflowRunner, recorder: Recorder) -> None:
        self._inner = inner
        self._recorder = recorder

    def prepare_workflow(self, defn: Any) -> None:
        self._recorder._prepared(defn.name)  # noqa: SLF001  # one unit with its plugin
        self._inner.prepare_workflow(defn)

    def set_worker_level_failure_exception_types(self, types: Sequence[type[BaseException]]) -> None:
        self._inner.set_worker_level_failure_exception_types(types)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        recording = self._recorder._recording(det.info.run_id)  # noqa: SLF001  # one unit with its plugin
        if recording is None:
            return self._inner.create_instance(det)
        # The replayer invents a task queue; the code must see, and default to, the one that it really ran on.
        info = replace(det.info, task_queue=recording.origin.queue)
        return _Instance(self._inner.create_instance(replace(det, info=info)), recording)


class _Instance(WorkflowInstance):
    def __init__(self, inner: WorkflowInstance, recording: Recording) -> None:
        self._inner = inner
        self._recording = recording

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        completion = self._inner.activate(act)
        if any(job.HasField("remove_from_cache") for job in act.jobs):
            return completion
        if completion.HasField("failed"):
            self._recording.failure = _raised(completion.failed.failure)
        for command in completion.successful.commands:
            # A copy: the worker runs the payloads through the codec in place.
            kept = WorkflowCommand()
            kept.CopyFrom(command)
            self._recording.commands.append((act.history_length, kept))
        return completion

    def get_info(self) -> Info:
        return self._inner.get_info()

    def get_thread_id(self) -> int | None:
        return self._inner.get_thread_id()

    def get_serialization_context(self, command_info: Any) -> Any:
        return self._inner.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> Any:
        return self._inner.get_external_store_context(command_info)


def _raised(failure: Failure) -> str:
    kind = failure.application_failure_info.type
    text = f"{kind}: {failure.message}" if kind and not failure.message.startswith(kind) else failure.message
    frames = re.findall(r'File "([^"]+)", line (\d+), in (\S+)', failure.stack_trace)
    if not frames:
        return text
    path, line, function = frames[-1]
    return f"{text} ({PurePath(path).name}:{line}, in {function})"
