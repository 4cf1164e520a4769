"""A lock as a task's code sees it."""

from __future__ import annotations

import asyncio
import re
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception
from temporalio.workflow import ActivityCancellationType

from sagamesh.errors import DefinitionError
from sagamesh.failure import failed, failure_of
from sagamesh.inline import recorded, runs_inline
from sagamesh.locks.errors import LockLost, LockTimeout
from sagamesh.locks.grants import Grants, give_back, grants_of
from sagamesh.locks.messages import LONGEST_NAME, RENEW, REQUEST, Grant, LockRequest, Waiter, lock_id
from sagamesh.saga import ending, uninterrupted
from sagamesh.system_queue import SYSTEM_QUEUE

__all__ = ["Held", "lock"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/+-]*")
_SHORTEST_LEASE: Final = timedelta(seconds=1)
_ATTEMPT: Final = timedelta(seconds=10)


class Held:
    """A lock that was granted to this task.

    - `name`: the lock's.
    - `fence`: larger than that of every holder before, for ever. Hand it to the agent with whatever the lock protects,
      so that it can refuse one who lost the lock and does not know it yet.
    """

    def __init__(self, name: str, grant: Grant, lease: timedelta, grants: Grants) -> None:
        if grant.until is None:
            # As after a reset: the answer that it was lost comes again, and is the first that the new run hears.
            raise LockLost(name, grant.fence)
        self.name = name
        self.fence = grant.fence
        self._until: datetime = grant.until
        self._request = grant.request
        self._lease = lease
        self._grants = grants

    @property
    def until(self) -> datetime:
        """When the lease ends, unless it is renewed."""
        return self._until

    @property
    def lost(self) -> bool:
        """Whether the lease has expired, by this task's own clock: somebody else may hold the lock."""
        return workflow.now() >= self._until

    async def renew(self) -> None:
        """Let the lease begin again, from when the lock hears of it.

        Raises:
            LockLost: when it has expired, or no answer comes before it does.
            asyncio.CancelledError: when the task was cancelled.
        """
        if self.lost:
            raise LockLost(self.name, self.fence)
        self._grants.forget(self._request)
        wish = Waiter(
            request=self._request,
            task_id=workflow.info().workflow_id,
            lease_seconds=self._lease.total_seconds(),
            since=workflow.now(),
        )
        try:
            await workflow.get_external_workflow_handle(lock_id(self.name)).signal(RENEW, wish)
            grant = await self._grants.wait(self._request, self._until - workflow.now(), f"lease of {self.name}")
        except (TimeoutError, ApplicationError) as error:
            # The second says that nobody keeps the lock any more.
            raise LockLost(self.name, self.fence) from (error if isinstance(error, ApplicationError) else None)
        if grant.until is None:
            self._until = min(self._until, workflow.now())
            raise LockLost(self.name, self.fence)
        self._until = grant.until


def lock(name: str, *, lease: timedelta, wait: timedelta | None = None) -> AbstractAsyncContextManager[Held]:
    """Hold a lock while the block runs; one task at a time, in the order in which their requests arrived.

        async with lock("stock:sku-1", lease=seconds(30), wait=minutes(5)) as held:
            await saga.step(stock.correct, Correction(by=-2, fence=held.fence), undo=stock.uncorrect)

    - `name`: 1 to 150 letters, digits and `. _ : @ / + -`, beginning with a letter or digit; one lock for the whole
      namespace. It stands in ids, so no personal data in it.
    - `lease`: at least a second. After this time without `renew` the lock goes to the next one, whatever this task
      does: one that was terminated gives nothing back. The block is not stopped then; from whoever holds on too long
      only the agent that compares fences is safe.
    - `wait`: how long to wait for the lock; None for as long as it takes.

    For workflow code, inside a saga's block or outside. The lock is given back however the block ends, except by a bug,
    which ends nothing; a cancel while waiting leaves the queue. Locks that are taken one within the other must be taken
    in the same order by everybody: else they wait for each other until a lease or `wait` ends it.

    A saga around the block compensates after it, when others may have held the lock: an undo then does not compare
    fences, and must fit what they have changed (add the 2 again, not set what was). A saga inside the block is undone
    before the lock is given back.

    Raises:
        LockTimeout: when the lock was not granted within `wait`.
        LockLost: when it was lost already, as for a task that was reset.
        asyncio.CancelledError: when the task was cancelled, or its saga's deadline passed.
        DefinitionError: for a name, lease or wait that breaks these rules.
    """
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise DefinitionError(
            f"lock: {name!r} must be 1 to {LONGEST_NAME} letters, digits or . _ : @ / + - and begin with a letter or "
            "digit"
        )
    if lease < _SHORTEST_LEASE:
        raise DefinitionError(f"lock {name}: the lease must be at least {_SHORTEST_LEASE}, not {lease}")
    if wait is not None and wait <= timedelta(0):
        raise DefinitionError(f"lock {name}: wait must be longer than 0, not {wait}")
    return _Block(name, lease, wait)


class _Block(AbstractAsyncContextManager[Held]):
    def __init__(self, name: str, lease: timedelta, wait: timedelta | None) -> None:
        self._name = name
        self._lease = lease
        self._wait = wait
        self._grants = grants_of(workflow.instance())
        self._request = ""

    async def __aenter__(self) -> Held:
        try:
            return await self._granted()
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A bug ends nothing: the engine tries the code again from where its history ends, and the lock is held there.
        over = error is None or isinstance(error, workflow.ContinueAsNewError) or ending(error) is not None
        if over and self._request:
            leaving = asyncio.current_task()
            before = leaving.cancelling() if leaving else 0
            # Before it is given back: what is granted from here on is granted to nobody.
            self._grants.close(self._request)
            await uninterrupted(give_back(self._name, self._request))
            if error is None and leaving and leaving.cancelling() > before:
                raise asyncio.CancelledError  # the lock was given back in spite of it, which has swallowed it

    async def _granted(self) -> Held:
        asking = asyncio.current_task()
        before = asking.cancelling() if asking else 0
        began = workflow.now()
        await self._ask()
        if asking and asking.cancelling() > before:
            raise asyncio.CancelledError  # a request that was made in spite of it has swallowed it
        left = None if self._wait is None else self._wait - (workflow.now() - began)
        try:
            grant = await self._grants.wait(self._request, left, f"lock {self._name}")
        except TimeoutError:
            raise LockTimeout(self._name, self._wait or timedelta(0)) from None
        return Held(self._name, grant, self._lease, self._grants)

    async def _ask(self) -> None:
        info = workflow.info()
        activity_id = self._grants.name_of_next(f"lock:{self._name}")
        # As the activity names it: it may be in the queue although no answer of the activity says so.
        asked = self._request = f"{info.workflow_id}/{info.run_id}/{activity_id}"
        self._grants.asks(asked)
        call = workflow.start_activity(
            REQUEST,
            LockRequest(name=self._name, lease_seconds=self._lease.total_seconds()),
            result_type=str,
            activity_id=activity_id,
            task_queue=SYSTEM_QUEUE,
            start_to_close_timeout=_ATTEMPT,
            schedule_to_close_timeout=None if self._wait is None else max(self._wait, _ATTEMPT),
            retry_policy=RetryPolicy(maximum_interval=_ATTEMPT),
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=f"Ask for lock {self._name}",
        )
        name: Any = asked
        try:
            # In a task that was reset the request was made by the run before, under that one's name.
            name = await (recorded(call) if runs_inline() else call)
            self._request = name
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise asyncio.CancelledError from None
            failure = failure_of(error)
            if failure.type == "TimeoutError":
                raise LockTimeout(self._name, self._wait or timedelta(0)) from None
            raise failed(failure) from None
        finally:
            # However it ended: a cancel in the turn that makes it is no error of the activity.
            self._grants.asked(asked, name)
