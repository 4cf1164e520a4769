"""The activity that reads what a task has left behind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from sagamesh.supervision.aftermath import Aftermath, aftermath
from sagamesh.supervision.messages import AFTERMATH, Examined
from sagamesh.supervision.reader import Reading, read
from sagamesh.timeline import opened

__all__ = ["Examiner"]

_MOST_RUNS: Final = 100
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
        """What is left to do once a task has ended.

        Raises:
            ApplicationError: `StillRunning`, which the engine repeats until it has ended: somebody has reset it.
            temporalio.service.RPCError: when there is no such task, or the server does not answer.
        """
        described = await self._client.get_workflow_handle(examined.id).describe()
        readings = [await self._read(examined.id, described.run_id)]
        while (earlier := readings[0].base or readings[0].before) and len(readings) < _MOST_RUNS:
            readings.insert(0, await self._read(examined.id, earlier))
        readings = await self._with_strays(examined.id, readings)
        last = readings[-1].run
        if last.ended in ("running", "continued"):
            message = f"{examined.id} goes on: somebody has reset it"
            raise ApplicationError(message, type="StillRunning", next_retry_delay=_AGAIN)
        runs = [reading.run for reading in readings]
        for number, later in enumerate(readings[1:]):
            if later.base:
                # Whatever the engine wrote as its end: what it had begun is the later run's to do again, or nobody's.
                runs[number] = runs[number].model_copy(update={"ended": "reset"})
        return aftermath(runs)

    async def _with_strays(self, task_id: str, readings: list[Reading]) -> list[Reading]:
        """The same runs, and those from which none of them comes: a task that was reset from an earlier run than its
        last one leaves that behind.
        """
        quoted = task_id.replace("'", "''")
        begun = {each.run_id: each.start_time async for each in self._client.list_workflows(f"WorkflowId = '{quoted}'")}
        *earlier, last = readings
        for run_id in begun.keys() - {reading.run.run_id for reading in readings}:
            found = await self._read(task_id, run_id)
            if found.base and found.run.ended != "running":
                earlier.append(found)
        # The list lags a moment behind: what it does not tell yet is the newest.
        earlier.sort(key=lambda reading: begun.get(reading.run.run_id, _LATE))
        return [*earlier, last]

    async def _read(self, task_id: str, run_id: str) -> Reading:
        handle = self._client.get_workflow_handle(task_id, run_id=run_id)
        return read([await opened(event, self._client.data_converter) async for event in handle.fetch_history_events()])
