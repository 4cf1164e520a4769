"""Waiting for a task, and telling on standard error what it does meanwhile."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.text import Text

from sagamesh.cli.output import console
from sagamesh.errors import Refused, TaskCancelled, TaskFailed
from sagamesh.failure import Failure
from sagamesh.status import Stage, StepState, StepStatus, TaskStatus

if TYPE_CHECKING:
    from sagamesh.client import TaskHandle

__all__ = ["End", "follow", "news"]

_FIRST_PAUSE, _PAUSE_GROWTH, _LONGEST_PAUSE = 0.1, 1.5, 2.0
"""Seconds between two questions to a task: often at first, so that quick tasks are seen, then gently."""
_LAST_ANSWER = 2.0
"""Seconds for an answer, when the result is there already."""

_STYLES = {
    StepState.DONE: "green",
    StepState.FAILED: "red",
    StepState.UNDO_FAILED: "red",
    StepState.UNDONE: "yellow",
    StepState.SKIPPED: "yellow",
    StepState.RESOLVED: "yellow",
}


@dataclass(frozen=True, slots=True)
class End:
    """How a task ended: `completed` with a result, `failed` or `cancelled` with a failure."""

    status: str
    result: Any = None
    failure: Failure | None = None


async def follow(handle: TaskHandle[Any], *, quiet: bool) -> End:
    """Wait for a task's end, and unless `quiet` tell what it does.

    Raises:
        ServerUnreachable, TaskNotFound: as they say.
    """
    with _Telling(handle.id, quiet=quiet) as telling:
        try:
            return End("completed", result=await _result(handle, None if quiet else telling))
        except TaskCancelled as cancelled:
            return End("cancelled", failure=cancelled.failure)
        except TaskFailed as failed:
            return End("failed", failure=failed.failure)


def news(task_id: str, before: TaskStatus | None, now: TaskStatus) -> Iterator[Text]:
    """A line for each thing that the second status says and the first did not."""
    known = {step.step: step for step in before.steps} if before is not None else {}
    for step in now.steps:
        if known.get(step.step) != step:
            yield _line(task_id, step, now)
    if before is not None and before.stage is now.stage:
        return
    if now.stage is Stage.AWAITING_APPROVAL and now.approval is not None:
        yield Text(
            f"waits for approval: {now.approval.question}. sagamesh approve {task_id} | reject {task_id}",
            style="yellow",
        )
    answered = now.approval is not None and now.approval.approved is not None
    if answered and before is not None and before.stage is Stage.AWAITING_APPROVAL and now.approval is not None:
        yield Text(f"{'approved' if now.approval.approved else 'rejected'} by {now.approval.by}")


def _line(task_id: str, step: StepStatus, now: TaskStatus) -> Text:
    said = Text.assemble(f"{step.step} ", (step.state.value.replace("_", " "), _STYLES.get(step.state, "")))
    if step.failure is not None and step.state in (StepState.FAILED, StepState.UNDO_FAILED):
        said.append(f": {step.failure.type}: {step.failure.message}")
    # Before the pivot, where undos wait, a failed step itself does not.
    unfinished = step.state is StepState.FAILED and now.past_point_of_no_return and now.stage is Stage.NEEDS_OPERATOR
    if step.state is StepState.UNDO_FAILED or unfinished:
        said.append(f"; waits for an operator: sagamesh operator {task_id} {step.step} --retry | --skip | --resolve")
    return said


class _Telling:
    """Prints a line for each change, and on a terminal shows what goes on. Silent with `quiet`."""

    def __init__(self, task_id: str, *, quiet: bool = False) -> None:
        self._id = task_id
        self._quiet = quiet
        self._console = console(sys.stderr)
        self._last: TaskStatus | None = None
        self._silent_worker = False
        self._showing = ExitStack()
        self._doing = None
        if not quiet and self._console.is_terminal:
            self._doing = self._showing.enter_context(self._console.status("started"))

    def __enter__(self) -> _Telling:
        return self

    def __exit__(self, *_: object) -> None:
        self._showing.close()

    def tell(self, status: TaskStatus) -> None:
        """Say what is new since the last time."""
        self._silent_worker = False
        for line in news(self._id, self._last, status):
            self._say(line)
        self._last = status
        if self._doing is not None:
            running = [step.step for step in status.steps if step.state in (StepState.RUNNING, StepState.UNDOING)]
            self._doing.update(f"{status.stage.value.replace('_', ' ')} {', '.join(running)}")

    def no_worker(self) -> None:
        """Say, once, that nobody answers."""
        if not self._silent_worker:
            self._silent_worker = True
            self._say(Text("no worker answers; still waiting. `sagamesh agents` shows who is alive", style="yellow"))

    def _say(self, line: Text) -> None:
        if not self._quiet:
            self._console.print(line)


async def _result(handle: TaskHandle[Any], telling: _Telling | None) -> Any:
    if telling is None:
        return await handle.result()
    result = asyncio.ensure_future(handle.result())
    pause = _FIRST_PAUSE
    answers = True
    try:
        while answers and not result.done():
            answers = await _told(handle, telling, result)
            await asyncio.wait([result], timeout=pause)
            pause = min(pause * _PAUSE_GROWTH, _LONGEST_PAUSE)
        await asyncio.wait([result])
        if answers:  # once more: a quick task has ended before it was asked
            await _told(handle, telling, result)
        return await result
    finally:
        result.cancel()


async def _told(handle: TaskHandle[Any], telling: _Telling, end: asyncio.Future[Any]) -> bool:
    """Ask for the status and tell it; not for long once the end is there. Whether it makes sense to ask again."""
    question = asyncio.ensure_future(handle.status())
    await asyncio.wait([question, end], return_when=asyncio.FIRST_COMPLETED)
    # Not given up at once: a worker that answers what nobody waits for any more logs a warning.
    await asyncio.wait([question], timeout=_LAST_ANSWER)
    if not question.done():
        question.cancel()
        return not end.done()
    try:
        telling.tell(question.result())
    except Refused as refused:
        if refused.reason != "NoAnswer":
            return False  # a task of another kind, which tells nothing of itself
        telling.no_worker()
    return True
