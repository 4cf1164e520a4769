"""Runs the gate: replays histories with today's code, and compares what it does with what they recorded."""

from __future__ import annotations

import functools
import re
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack

from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.worker import Plugin, Replayer, WorkflowReplayResult
from temporalio.workflow import NondeterminismError

from sagamesh.errors import DefinitionError
from sagamesh.plugin import SagameshPlugin
from sagamesh.replay.comparison import compare
from sagamesh.replay.decoded import decoded
from sagamesh.replay.issued import issued_commands
from sagamesh.replay.origin import origin_of
from sagamesh.replay.recorded import last_task, recorded_commands
from sagamesh.replay.recorder import Recorder, Recording
from sagamesh.replay.verdict import Verdict

__all__ = ["replay", "verdicts"]


async def replay(
    histories: Iterable[WorkflowHistory] | AsyncIterable[WorkflowHistory],
    *,
    workflows: Sequence[type],
    plugin: Plugin | None = None,
    namespace: str = "default",
) -> list[Verdict]:
    """Replay every history and say for each, in the order given, whether the code still does the same.

    - `workflows`: the workflow classes that may occur.
    - `plugin`: what configures the project's workers; default `SagameshPlugin()`.
    - `namespace`: the one that the histories come from; the code may look at it.

    Beyond what the engine checks (sort and order of commands) this compares what it lets pass: arguments, timeouts,
    queues, retry policies, durations, search attributes, memo, results and failures. Not compared: tracing headers,
    agents' versions, summaries, and the arguments of local activities, which no history holds.

    Raises:
        DefinitionError: when the workflow classes cannot be loaded into the sandbox, or two share a name.
    """
    found = verdicts(histories, workflows=workflows, plugin=plugin, namespace=namespace)
    return [verdict async for verdict in found]


async def verdicts(
    histories: Iterable[WorkflowHistory] | AsyncIterable[WorkflowHistory],
    *,
    workflows: Sequence[type],
    plugin: Plugin | None = None,
    namespace: str = "default",
) -> AsyncIterator[Verdict]:
    """As `replay`, one verdict at a time.

    Raises:
        as `replay`.
    """
    recorder = Recorder()
    replayer = Replayer(
        workflows=workflows,
        plugins=[plugin or SagameshPlugin(), recorder],
        namespace=namespace,
        runtime=_quiet_runtime(),
    )
    converter = replayer.config(active_config=True).get("data_converter") or DataConverter.default
    refused: list[Verdict] = []

    async def replayable() -> AsyncIterator[WorkflowHistory]:
        async for history in _each(histories):
            problem = _cannot_be_replayed(history, recorder)
            if problem is not None:
                refused.append(problem)
                continue
            recorder.begin(origin_of(history.workflow_id, history.events))
            yield history

    async with AsyncExitStack() as stack:
        try:
            results = await stack.enter_async_context(replayer.workflow_replay_iterator(replayable()))
        except (RuntimeError, TypeError, ValueError) as error:
            raise DefinitionError(f"the workflows cannot be loaded: {_with_cause(error)}") from error
        async for result in results:
            while refused:
                yield refused.pop(0)
            yield await _verdict(result, recorder.current, converter, namespace)
    while refused:
        yield refused.pop(0)


async def _verdict(
    result: WorkflowReplayResult, recording: Recording, converter: DataConverter, namespace: str
) -> Verdict:
    events = await decoded(result.history.events, recording.origin, converter, namespace)
    origin = origin_of(result.history.workflow_id, events)
    recorded = recorded_commands(events)
    last = last_task(events)
    issued = issued_commands(((task, command) for task, command in recording.commands if task <= last), origin)
    problems = compare(recorded, issued)
    if recording.failure:
        problems.insert(0, f"the code raises {recording.failure}")
    if result.replay_failure is not None and not (
        recording.failure and not isinstance(result.replay_failure, NondeterminismError)
    ):
        problems.append(f"the engine refuses it: {_engine_message(result.replay_failure)}")
    return Verdict(
        workflow_id=origin.workflow_id,
        run_id=origin.run_id,
        workflow_type=origin.workflow_type,
        problems=tuple(problems),
        commands=len(recorded),
    )


def _with_cause(error: Exception) -> str:
    return f"{error}: {error.__cause__}" if error.__cause__ else str(error)


def _engine_message(error: Exception) -> str:
    # The engine's core prints a whole structure, in which one string is meant for people.
    text = str(error)
    found = re.search(r'message: "((?:[^"\\]|\\.)+)"', text)
    return found[1].replace('\\"', '"') if found else text.splitlines()[0]


@functools.cache
def _quiet_runtime() -> Runtime:
    """An engine that does not log: on standard output, among the verdicts, it would repeat what they say."""
    return Runtime(telemetry=TelemetryConfig(logging=None))


def _cannot_be_replayed(history: WorkflowHistory, recorder: Recorder) -> Verdict | None:
    try:
        origin = origin_of(history.workflow_id, history.events)
    except ValueError as error:
        return Verdict(history.workflow_id, "", "", (f"not a history: {error}",), 0)
    if recorder.knows(origin.workflow_type):
        return None
    problem = f"no workflow class is called {origin.workflow_type}; known: {', '.join(recorder.known)}"
    return Verdict(origin.workflow_id, origin.run_id, origin.workflow_type, (problem,), 0)


async def _each(
    histories: Iterable[WorkflowHistory] | AsyncIterable[WorkflowHistory],
) -> AsyncIterator[WorkflowHistory]:
    if isinstance(histories, AsyncIterable):
        async for history in histories:
            yield history
    else:
        for history in histories:
            yield history
