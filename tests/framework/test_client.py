"""The typed client: what it asks of the server, and what it says when there is no answer."""

from __future__ import annotations

import asyncio
import socket
from datetime import timedelta
from typing import Any

import pytest
from temporalio import client as temporal
from temporalio.api.enums.v1 import EventType
from temporalio.service import RetryConfig

from mesh_agents import payment
from mesh_agents.order import order
from sagamesh import Client, SagameshPlugin, Task
from sagamesh.connection import connect_temporal
from sagamesh.errors import (
    DefinitionError,
    InvalidInput,
    Refused,
    ServerUnreachable,
    TaskCancelled,
    TaskFailed,
    TaskNotFound,
)
from sagamesh.status import OperatorDecision, Stage
from tests.support import deeds, flows, questions
from tests.support.deeds import Plan
from tests.support.engine import Engine, eventually
from tests.support.orders import order_request
from tests.support.script import Act, Gate

pytestmark = pytest.mark.asyncio(loop_scope="session")

UNHOSTED = Task("Chain", takes=Plan, returns=deeds.Report, queue="nobody-hosts-this")


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch) -> str:
    """An address at which nothing listens, and no other in the environment."""
    for name in ("TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_PROFILE", "TEMPORAL_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


async def test_it_connects_where_the_environment_says(cached_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", cached_engine.address)

    client = await Client.connect(address="127.0.0.1:1", identity="me@here")

    assert client.temporal.service_client.config.target_host == cached_engine.address
    assert client.temporal.identity == "me@here"
    running = await cached_engine.start(flows.Chain.task, Plan())
    assert (await client.handle(flows.Chain.task, running.handle.id).result()).said == "all"


async def test_no_server_says_what_to_do(no_server: str) -> None:
    with pytest.raises(ServerUnreachable) as refused:
        await Client.connect(address=no_server)

    assert no_server in str(refused.value)
    assert "sagamesh up" in str(refused.value)
    assert isinstance(refused.value, ConnectionError)


async def test_a_broken_environment_is_named(no_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_PROFILE", "no-such-profile")

    with pytest.raises(DefinitionError, match="no-such-profile"):
        await connect_temporal(address=no_server)


@pytest.mark.parametrize("ask", ["result", "status", "cancel", "approve", "timeline"])
async def test_a_task_that_is_not_there(cached_engine: Engine, ask: str) -> None:
    handle = cached_engine.client.handle(order, cached_engine.new_id())
    words = {"by": "ann"} if ask == "approve" else {}

    with pytest.raises(TaskNotFound, match=handle.id):
        await getattr(handle, ask)(**words)


async def test_a_task_that_is_being_started_while_it_is_asked(
    cached_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = cached_engine.new_id()
    asked = temporal.WorkflowHandle[Any, Any].query

    async def too_early(handle: temporal.WorkflowHandle[Any, Any], *args: Any, **options: Any) -> Any:
        try:
            return await asked(handle, *args, **options)
        finally:
            await cached_engine.client.start(UNHOSTED, Plan(), id=task_id)

    monkeypatch.setattr(temporal.WorkflowHandle, "query", too_early)

    with pytest.raises(Refused, match="just being started; ask again") as refused:
        await cached_engine.client.handle(UNHOSTED, task_id).status()

    assert refused.value.reason == "NoAnswer"
    await cached_engine.temporal.get_workflow_handle(task_id).terminate()


async def test_an_input_that_is_no_model_of_the_contract(cached_engine: Engine) -> None:
    body: Any = order_request().model_dump()

    with pytest.raises(TypeError, match="Order takes OrderRequest, not dict"):
        await cached_engine.client.start(order, body, id="x")


@pytest.mark.parametrize("priority", [0, 6, -1, 1.5, "1"])
async def test_priorities_that_are_none(cached_engine: Engine, priority: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        await cached_engine.client.start(order, order_request(), id="x", priority=priority)

    assert [field.field for field in refused.value.fields] == ["priority"]


async def test_waiting_for_a_result_has_an_end_but_the_task_has_not(cached_engine: Engine) -> None:
    task_id, gate = cached_engine.new_id(), Gate()
    cached_engine.script(task_id).on(deeds.first, Act(before=gate))
    running = await cached_engine.start(flows.Chain.task, Plan(), id=task_id)
    await gate.reached()

    with pytest.raises(TimeoutError):
        await running.handle.result(timeout=timedelta(milliseconds=50))

    gate.open()
    assert (await running.handle.result(timeout=timedelta(seconds=60))).said == "all"


async def test_a_waiter_that_is_cancelled_is_cancelled(cached_engine: Engine) -> None:
    """The caller's own cancel is not the task's."""
    task_id, gate = cached_engine.new_id(), Gate()
    cached_engine.script(task_id).on(deeds.first, Act(before=gate))
    running = await cached_engine.start(flows.Chain.task, Plan(), id=task_id)
    await gate.reached()
    waiting = asyncio.create_task(running.handle.result())
    await asyncio.sleep(0)

    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    gate.open()
    await running.done()


async def test_a_failed_and_a_cancelled_task_are_told_apart(cached_engine: Engine) -> None:
    task_id = cached_engine.new_id()
    cached_engine.script(task_id).on(payment.charge, payment.Declined("declined"))
    failed = await cached_engine.start(order, order_request(), id=task_id)
    with pytest.raises(TaskFailed, match=f"task {task_id} failed: Declined: payment.charge: declined") as caught:
        await failed.handle.result()
    assert not isinstance(caught.value, TaskCancelled)
    assert caught.value.task_id == task_id

    asking = await cached_engine.start(questions.Asking.task, Plan())
    await asking.reaches(Stage.AWAITING_APPROVAL)
    await asking.handle.cancel()
    with pytest.raises(TaskCancelled):
        await asking.handle.result()


async def test_a_task_that_was_terminated_has_failed(cached_engine: Engine) -> None:
    running = await cached_engine.start(questions.Asking.task, Plan())
    await running.temporal.terminate("by hand")

    with pytest.raises(TaskFailed) as caught:
        await running.handle.result()

    assert caught.value.failure.type == "TerminatedError"


async def test_a_status_when_nobody_hosts_the_task(cached_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sagamesh.handle._ANSWER", timedelta(milliseconds=300))
    handle = await cached_engine.client.start(UNHOSTED, Plan(), id=cached_engine.new_id())

    with pytest.raises(Refused) as status:
        await handle.status()
    with pytest.raises(Refused) as cancel:
        await handle.cancel()

    assert (status.value.reason, cancel.value.reason) == ("NoAnswer", "NoAnswer")
    assert "will as soon as a worker" in str(cancel.value)
    await cached_engine.temporal.get_workflow_handle(handle.id).terminate()


async def test_a_status_of_a_task_that_has_none(cached_engine: Engine) -> None:
    """Loose is no TaskWorkflow, so it answers no query."""
    loose = Task("Loose", takes=Plan, returns=deeds.Report, queue="deeds")
    handle = await cached_engine.client.start(loose, Plan(), id=cached_engine.new_id())

    with pytest.raises(Refused) as refused:
        await handle.status()

    assert refused.value.reason == "NoStatus"


async def test_the_frameworks_own_workflows_are_no_tasks(cached_engine: Engine) -> None:
    """Refused before any effect: a keeper that is asked to stop would leave its queue held, or its lock to two."""
    part = f"sagamesh.lock:{cached_engine.new_id()}"
    keeper = await cached_engine.temporal.start_workflow("Keeper", id=part, task_queue="nobody-hosts-this")
    handle = cached_engine.client.find(part)
    decision = OperatorDecision(step="pay", action="retry", by="ann")

    for ask in (
        lambda: handle.cancel(),
        lambda: handle.approve(by="ann"),
        lambda: handle.reject(by="ann"),
        lambda: handle.operator(decision),
        lambda: handle.status(),
    ):
        with pytest.raises(InvalidInput, match=r"no task but a part of the framework: `sagamesh locks` shows"):
            await ask()
    for supervised in (False, True):
        with pytest.raises(InvalidInput, match=r"must not begin with 'sagamesh\.'"):
            await cached_engine.client.start(order, order_request(), id=part, supervised=supervised)

    events = [event.event_type async for event in keeper.fetch_history_events()]
    assert events == [EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED]
    await keeper.terminate()


async def test_a_foreign_client_cannot_take_the_id_of_a_keeper(cached_engine: Engine) -> None:
    """It may start what it wants; a task refuses itself."""
    part = f"sagamesh.breaker:{cached_engine.new_id()}"
    await cached_engine.temporal.start_workflow("Order", order_request(), id=part, task_queue=order.queue)

    with pytest.raises(TaskFailed, match="must not begin with") as failed:
        await cached_engine.client.find(part).result()

    assert failed.value.failure.type == "InvalidInput"


async def test_the_list(cached_engine: Engine) -> None:
    task_id = cached_engine.new_id()
    running = await cached_engine.start(order, order_request(customer=f"c-{task_id}"), id=task_id)
    await running.done()

    async def listed() -> bool:
        query = f"SagameshCustomer = 'c-{task_id}' AND SagameshStatus = 'completed'"
        rows = [row async for row in cached_engine.client.list(query)]
        return [(row.id, row.task, row.execution, row.stage) for row in rows] == [
            (task_id, "Order", "completed", "completed")
        ]

    await eventually(listed)
    assert len([row async for row in cached_engine.client.list(limit=1)]) == 1


async def test_a_query_that_is_none(cached_engine: Engine) -> None:
    with pytest.raises(InvalidInput, match="query"):
        _ = [row async for row in cached_engine.client.list("SagameshStatus ~ nothing")]


async def test_a_task_is_found_without_its_contract(cached_engine: Engine) -> None:
    running = await cached_engine.start(flows.Chain.task, Plan())
    await running.done()

    assert await cached_engine.client.find(running.handle.id).result() == {"said": "all", "blob": ""}


async def test_a_server_that_goes_away(no_server: str, cached_engine: Engine) -> None:
    """Each question says so; none is raised as the engine's own error."""
    lazy = await connect_lazily(no_server)
    handle = lazy.handle(order, "o-1")

    for ask in (handle.status(), handle.cancel(), handle.approve(by="ann"), handle.result()):
        with pytest.raises(ServerUnreachable, match=no_server):
            await asyncio.wait_for(ask, 30)
    with pytest.raises(ServerUnreachable):
        await lazy.start(order, order_request(), id="o-1")
    with pytest.raises(ServerUnreachable):
        _ = [row async for row in lazy.list()]


async def connect_lazily(address: str) -> Client:
    quick = RetryConfig(max_retries=1, max_elapsed_time_millis=500)
    return Client(await temporal.Client.connect(address, lazy=True, plugins=[SagameshPlugin()], retry_config=quick))
