"""A real server, the shop on it, and supervisors."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, TypeAlias

import pytest_asyncio
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest, ResetWorkflowExecutionRequest
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from sagamesh import BusinessError, Client, Mesh, Pool, SagameshPlugin, current_call
from sagamesh.attributes import STATUS
from sagamesh.errors import TaskFailed
from sagamesh.failure import Failure
from sagamesh.fallback import BREAKER_OPEN
from sagamesh.handle import TaskHandle
from sagamesh.status import OperatorDecision, Stage
from sagamesh.supervision import supervisor_id
from sagamesh.system import system_worker
from sagamesh.testing import dev_server, served
from tests.supervision import shop
from tests.supervision.shop import Done, Wanted
from tests.support.engine import eventually
from tests.support.script import Gate

_counter = itertools.count()

Implementation: TypeAlias = Callable[[Wanted], Awaitable[Done]]


class TooLate(BusinessError):
    """It was undone before it came."""


@dataclass
class Books:
    """What the shop did, by key: a mark is left by each effect and each undo, in one go."""

    standing: dict[str, str] = field(default_factory=dict)
    undone: set[str] = field(default_factory=set)
    log: list[str] = field(default_factory=list)
    gates: dict[tuple[str, str], Gate] = field(default_factory=dict)
    refusals: dict[tuple[str, str], int] = field(default_factory=dict)
    breaker: dict[tuple[str, str], int] = field(default_factory=dict)
    """How many attempts a worker's breaker refuses."""
    prices: dict[str, list[str]] = field(default_factory=dict)

    def of(self, task_id: str) -> list[str]:
        """The steps of a task that stand."""
        return [name for key, name in self.standing.items() if key.startswith(f"{task_id}/")]

    def done_for(self, task_id: str) -> list[str]:
        """What was done for a task, in order."""
        return [line.partition(" ")[2] for line in self.log if line.partition(" ")[0] == task_id]

    def pool(self) -> Pool:
        """Served."""
        pool = Pool(shop.shop, slots=50)
        pool.serve(shop.reserve, self._do("reserve")).serve(shop.release, self._undo("release"))
        pool.serve(shop.charge, self._do("charge")).serve(shop.refund, self._undo("refund"))
        return pool.serve(shop.confirm, self._do("confirm")).serve(shop.check, self._check)

    async def _check(self, wanted: Wanted) -> Done:
        prices = self.prices.get(current_call().task_id, ["1"])
        return Done(what=prices.pop(0) if len(prices) > 1 else prices[0])

    def _do(self, name: str) -> Implementation:
        async def do(wanted: Wanted) -> Done:
            call = current_call()
            await self._pass(call.task_id, name)
            if call.key in self.undone:
                self.log.append(f"{call.task_id} {name} refused")
                raise TooLate("it was undone")
            if call.key not in self.standing:
                self.log.append(f"{call.task_id} {name}")
                self.standing[call.key] = name
            return Done(what=name)

        return do

    def _undo(self, name: str) -> Implementation:
        async def undo(wanted: Wanted) -> Done:
            call = current_call()
            assert call.undo
            await self._pass(call.task_id, name)
            shut = self.breaker.get((call.task_id, name), 0)
            if shut:
                self.breaker[call.task_id, name] = shut - 1
                raise ApplicationError("it is open", type=BREAKER_OPEN, next_retry_delay=timedelta(milliseconds=1))
            left = self.refusals.get((call.task_id, name), 0)
            if left:
                self.refusals[call.task_id, name] = left - 1
                raise TooLate("not now")
            self.log.append(f"{call.task_id} {name}")
            self.undone.add(call.key)
            self.standing.pop(call.key, None)
            return Done(what=name)

        return undo

    async def _pass(self, task_id: str, name: str) -> None:
        gate = self.gates.get((task_id, name))
        if gate is not None:
            await gate()


@dataclass
class Supervised:
    """The server, the books, and what tests do to tasks."""

    client: Client
    books: Books
    hosting: asyncio.Lock = field(default_factory=asyncio.Lock)

    def new_id(self) -> str:
        """An id that no other test uses."""
        return f"buy-{next(_counter)}"

    async def begin(self, task_id: str, wanted: Wanted) -> TaskHandle[Done]:
        """Start one under a supervisor."""
        return await self.client.start(shop.buy, wanted, id=task_id, supervised=True)

    async def did(self, task_id: str, name: str, *, agent: str = "shop") -> None:
        """Wait until the task has had an answer from a capability."""

        async def so() -> bool:
            handle = self.client.temporal.get_workflow_handle(task_id)
            described = (await handle.describe()).raw_description
            entries = (await self.client.find(task_id).timeline()).entries
            answered = any(entry.name == f"{agent}.{name}" and not entry.open for entry in entries)
            return answered and not described.pending_activities and not described.HasField("pending_workflow_task")

        await eventually(so)

    async def terminate(self, task_id: str) -> None:
        """End it from outside."""
        await self.client.temporal.get_workflow_handle(task_id).terminate(reason="the test says so")

    async def reset(self, task_id: str, run_id: str = "") -> str:
        """Back to its first turn, that of its last run or of another; returns which."""
        described = await self.client.temporal.get_workflow_handle(task_id, run_id=run_id or None).describe()
        await self.client.temporal.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=self.client.temporal.namespace,
                workflow_execution=WorkflowExecution(workflow_id=task_id, run_id=described.run_id),
                workflow_task_finish_event_id=4,
                request_id=str(uuid.uuid4()),
                reason="the test says so",
            )
        )
        return described.run_id

    async def forget(self, task_id: str, run_id: str = "") -> None:
        """What the end of its retention does to a run that has ended, to its last one unless told otherwise."""
        execution = WorkflowExecution(workflow_id=task_id, run_id=run_id)
        await self.client.temporal.workflow_service.delete_workflow_execution(
            DeleteWorkflowExecutionRequest(namespace=self.client.temporal.namespace, workflow_execution=execution)
        )

        async def gone() -> bool:
            try:
                await self.client.temporal.get_workflow_handle(task_id, run_id=run_id or None).fetch_history()
            except RPCError as error:
                return error.status is RPCStatusCode.NOT_FOUND
            return False

        await eventually(gone)

    async def decide(self, task_id: str, step: str, action: Literal["retry", "skip", "resolve"]) -> None:
        """Decide as the operator Olga."""
        decision = OperatorDecision(step=step, action=action, by="olga", reason="because")
        await self.supervisor(task_id).operator(decision)

    def supervisor(self, task_id: str) -> TaskHandle[Any]:
        """Its supervisor."""
        return self.client.find(supervisor_id(task_id))

    async def failure(self, task_id: str) -> Failure:
        """How its supervisor failed."""
        async with asyncio.timeout(30):
            try:
                result = await self.supervisor(task_id).result()
            except TaskFailed as error:
                return error.failure
        raise AssertionError(f"the supervisor has ended well: {result}")

    async def reaches(self, task_id: str, stage: Stage) -> None:
        """Wait until its supervisor is at a stage."""

        async def so() -> bool:
            described = await self.client.temporal.get_workflow_handle(supervisor_id(task_id)).describe()
            settled = not described.raw_description.HasField("pending_workflow_task")
            return settled and described.typed_search_attributes.get(STATUS) == stage

        await eventually(so)

    @asynccontextmanager
    async def hosted(self) -> AsyncIterator[None]:
        """Another process that hosts the framework's own parts, for as long as the block runs."""
        worker = system_worker(self.client.temporal, Mesh(shop.shop))
        assert worker is not None
        async with worker:
            yield


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def unhosted() -> AsyncIterator[Supervised]:
    """The server and the shop, without anybody who hosts supervisors."""
    books = Books()
    plugin = SagameshPlugin(passthrough=("tests",))
    async with dev_server(plugin) as environment:
        tasks = Pool("buys").host(shop.buy, shop.Buy)
        async with served(environment.client, books.pool(), tasks):
            yield Supervised(Client(environment.client), books)


@pytest_asyncio.fixture(loop_scope="session")
async def supervised(unhosted: Supervised) -> AsyncIterator[Supervised]:
    """With them."""
    async with unhosted.hosted():
        yield unhosted
