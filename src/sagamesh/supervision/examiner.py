"""The activity that reads what a task has left behind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from sagamesh.failure import Failure
from sagamesh.supervision.aftermath import FORGOTTEN, Aftermath, aftermath
from sagamesh.supervision.messages import AFTERMATH, Examined
from sagamesh.supervision.reader import Reading, read
from sagamesh.timeline import opened

__all__ = ["Examiner"]

T = TypeVar("T")

_MOST_RUNS: Final = 100
_TOO_MANY: Final = "it had more than {} runs, and no more of them are read"
_AGAIN: Final = timedelta(seconds=5)
_LATE: Final = datetime.max.replace(tzinfo=UTC)


class Examiner:
    """Reads the histories of all runs of a task."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def activities(self) -> list[Callable[..., Any]]:
        """For the worker of the framework's own parts."""
        return [self.aftermath]

    @activity.defn(name=AFTERMATH)
    async def aftermath(self, examined: Examined) -> Aftermath:
        """What is left to do once a task has ended, as far as the server still knows its runs.

        Raises:
            ApplicationError: `StillRunning`, which the engine repeats until it has ended: somebody has reset it.
            temporalio.service.RPCError: when the server does not answer.
        """
        newest = await self._newest(examined.id)
        if newest is None:
            failure = Failure(type="Forgotten", message="how it ended is not known any more")
            return Aftermath(ended=FORGOTTEN, failure=failure, forgotten=_past_retention("the task"))
        readings, forgotten = await self._with_strays(examined.id, *await self._with_forebears(examined.id, newest))
        last = readings[-1].run
        if last.ended in ("running", "continued"):
            message = f"{examined.id} goes on: somebody has reset it"
            raise ApplicationError(message, type="StillRunning", next_retry_delay=_AGAIN)
        runs = [reading.run for reading in readings]
        for number, later in enumerate(readings[1:]):
            if later.base:
                # Whatever the engine wrote as its end: what it had begun is the later run's to do again, or nobody's.
                runs[number] = runs[number].model_copy(update={"ended": "reset"})
        return aftermath(runs, forgotten=forgotten)

    async def _with_forebears(self, task_id: str, newest: Reading) -> tuple[list[Reading], str]:
        """A run after those that it comes from, and why these are not all; empty where they are."""
        readings = [newest]
        while earlier := readings[0].base or readings[0].before:
            if len(readings) >= _MOST_RUNS:
                return readings, _TOO_MANY.format(_MOST_RUNS)
            found = await self._read(task_id, earlier)
            if found is None:
                return readings, _past_retention(f"its run {earlier}")
            readings.insert(0, found)
        return readings, ""

    async def _with_strays(self, task_id: str, readings: list[Reading], forgotten: str) -> tuple[list[Reading], str]:
        """The same, and the runs from which none of them comes: a task that was reset from an earlier run than its
        last one leaves that behind.
        """
        quoted = task_id.replace("'", "''")
        begun = {each.run_id: each.start_time async for each in self._client.list_workflows(f"WorkflowId = '{quoted}'")}
        *earlier, last = readings
        for run_id in begun.keys() - {reading.run.run_id for reading in readings}:
            if len(earlier) + 1 >= _MOST_RUNS:
                forgotten = forgotten or _TOO_MANY.format(_MOST_RUNS)
                break
            found = await self._read(task_id, run_id)
            if found is None:
                forgotten = forgotten or _past_retention(f"its run {run_id}")
            elif found.base and found.run.ended != "running":
                earlier.append(found)
        # The list lags a moment behind: what it does not tell yet is the newest.
        earlier.sort(key=lambda reading: begun.get(reading.run.run_id, _LATE))
        return [*earlier, last], forgotten

    async def _newest(self, task_id: str) -> Reading | None:
        described = await _unless_forgotten(self._client.get_workflow_handle(task_id).describe())
        return None if described is None else await self._read(task_id, described.run_id)

    async def _read(self, task_id: str, run_id: str) -> Reading | None:
        return await _unless_forgotten(self._history(task_id, run_id))

    async def _history(self, task_id: str, run_id: str) -> Reading:
        handle = self._client.get_workflow_handle(task_id, run_id=run_id)
        return read([await opened(event, self._client.data_converter) async for event in handle.fetch_history_events()])


async def _unless_forgotten(asked: Awaitable[T]) -> T | None:
    """The server's answer; None where it has nothing of that run any more."""
    try:
        return await asked
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


def _past_retention(what: str) -> str:
    return f"{what} is past the namespace's retention"
