"""The one object that configures clients, workers, replayers and test environments alike, so that they cannot drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from temporalio.client import ClientConfig
from temporalio.converter import DataConverter
from temporalio.plugin import SimplePlugin
from temporalio.worker import Interceptor, ReplayerConfig, WorkerConfig, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from sagamesh.converter import data_converter
from sagamesh.errors import SagameshError
from sagamesh.interceptor import TaskInterceptor
from sagamesh.sandbox import Sandbox
from sagamesh.tracing.switch import trace_client

__all__ = ["PASSTHROUGH", "SagameshPlugin"]

PASSTHROUGH: Final = (
    # Loaded once a process instead of once a task. Each is free of side effects at run time, which is the condition.
    "sagamesh",  # the framework: its module state is constants
    "pydantic",  # models made inside the sandbox would be other classes than the converter's
    "pydantic_core",  # compiled, cannot be loaded twice
    "pydantic_settings",  # imported by sagamesh, never used in a workflow
    "annotated_types",  # constants that pydantic reads
    "typing_inspection",  # helpers of pydantic
    "opentelemetry",  # the tracer provider is the process's
)


class SagameshPlugin(SimplePlugin):
    """Pydantic converter, sandbox with its passthrough list, the interceptor that makes tasks findable, and tracing.

    Give it to `Client.connect(plugins=[...])`; workers of that client inherit it. A `Replayer` takes it directly.

    - `passthrough`: packages that hold a project's contracts, pure like the framework's own modules.
    """

    def __init__(self, *, passthrough: Sequence[str] = ()) -> None:
        def runner(existing: WorkflowRunner | None) -> WorkflowRunner:
            if existing is not None and not isinstance(existing, SandboxedWorkflowRunner):
                return existing  # chosen by hand, such as an unsandboxed runner for a debugger
            existing = existing or SandboxedWorkflowRunner()
            restrictions = existing.restrictions.with_passthrough_modules(*PASSTHROUGH, *passthrough)
            if type(existing) is SandboxedWorkflowRunner:
                return Sandbox(restrictions, existing.runner_class)
            return replace(existing, restrictions=restrictions)

        super().__init__(
            "sagamesh",
            data_converter=_converter,
            interceptors=[TaskInterceptor()],
            workflow_runner=runner,
            workflow_failure_exception_types=[SagameshError],
        )

    def configure_client(self, config: ClientConfig) -> ClientConfig:
        """As the base class, and trace what the client and its workers do, where the environment asks for it.

        A replayer is not traced: what it replays was.

        Raises:
            InvalidInput: when the environment asks for what there is not.
        """
        config = super().configure_client(config)
        config["interceptors"] = [*trace_client(), *config.get("interceptors", ())]
        return config

    def configure_replayer(self, config: ReplayerConfig) -> ReplayerConfig:
        """As the base class, the interceptors in the order of a worker's."""
        config = super().configure_replayer(config)
        config["interceptors"] = _tasks_first(config.get("interceptors", ()))
        return config

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        """As the base class, and spare the worker the work that only codecs and external storage need."""
        config = super().configure_worker(config)
        config["interceptors"] = _tasks_first(config.get("interceptors", ()))
        client, runner = config.get("client"), config.get("workflow_runner")
        if client is None:
            return config  # nothing that could run
        if isinstance(runner, Sandbox):
            config["workflow_runner"] = runner.serving(client.data_converter)
        if client.data_converter.external_storage is None:
            # One at a time means here: without a task of its own for each payload that is not stored anywhere.
            config["max_workflow_task_external_storage_concurrency"] = 1
        return config


def _tasks_first(interceptors: Sequence[Interceptor]) -> list[Interceptor]:
    # The base class puts ours innermost. Outermost, what it knows of a call (for which task a supervisor acts) is known
    # to all others, such as those that keep results by task.
    return sorted(interceptors, key=lambda each: not isinstance(each, TaskInterceptor))


def _converter(existing: DataConverter | None) -> DataConverter:
    # A codec or external storage that the caller configured stays; only the payload converter is ours.
    if existing is None or existing is DataConverter.default:
        return data_converter
    if existing.payload_converter_class is DataConverter.default.payload_converter_class:
        return replace(existing, payload_converter_class=data_converter.payload_converter_class)
    return existing
