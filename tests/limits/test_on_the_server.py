"""What a real server makes of the limits and priorities that contracts declare."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue, TaskQueueConfig
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, UpdateTaskQueueConfigRequest
from temporalio.common import Priority

from sagamesh import Agent
from sagamesh.discovery import Limit, describe_queue
from sagamesh.limits.tenant_rate import keep_tenant_rate
from tests.limits import shops
from tests.limits.conftest import Book, Hall
from tests.support.engine import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATIENCE = timedelta(seconds=60)


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_rate_holds_however_many_workers_there_are(hall: Hall, workers: int) -> None:
    book = Book()
    async with hall.serving(*(book.pool(shops.limited) for _ in range(workers))):
        handle = await hall.start("limited.call", count=100)
        await handle.result(timeout=PATIENCE)
        state = await describe_queue(hall.temporal, "limited", "agent", "limited")

    # After a pause the server lets a second's worth through at once, and that once more while it settles.
    assert book.rate(after=45) == pytest.approx(20, rel=0.1)
    assert state.limit == Limit(20, declared=True)


@pytest.mark.stack
async def test_each_tenant_has_the_rate_for_itself_times_its_weight(hall: Hall) -> None:
    book = Book()
    async with hall.serving(book.pool(shops.shared)):
        handles = [
            await hall.start("shared.call", tenant=tenant, count=count, weight=weight)
            for tenant, count, weight in (("ada", 40, None), ("bob", 40, None), ("cleo", 80, 2.0))
        ]
        for handle in handles:
            await handle.result(timeout=PATIENCE)
        state = await describe_queue(hall.temporal, "shared", "agent", "shared")

    # After a pause, each has a second's worth at once.
    assert book.rate(of="ada", after=20) == pytest.approx(10, rel=0.1)
    assert book.rate(of="bob", after=20) == pytest.approx(10, rel=0.1)
    assert book.rate(of="cleo", after=40) == pytest.approx(20, rel=0.1)
    assert (state.limit, state.tenant_limit) == (None, 10)


async def test_a_provider_s_limits_hold_nobody_else_up(hall: Hall) -> None:
    book = Book()
    async with hall.serving(book.pool(shops.till)):
        slow = await hall.start("till.charge", count=25)
        quick = await hall.start("till.quote", count=25)
        await quick.result(timeout=PATIENCE)
        charged_meanwhile = sum(each.capability == "till.charge" for each in book.served)
        state = await describe_queue(hall.temporal, "till", "provider", "till/bank")
        await slow.result(timeout=PATIENCE)

    assert charged_meanwhile < 25
    assert state.limit == Limit(5, declared=True)
    assert book.counts() == {"": 50}


async def test_a_call_that_was_put_on_another_queue_of_the_agent_is_served(hall: Hall) -> None:
    # As one that was made before its capability moved to the provider.
    book = Book()
    async with hall.serving(book.pool(shops.till)):
        client = hall.temporal
        result = await client.execute_activity(
            "till.charge",
            shops.Call(tenant="early"),
            id="moved",
            task_queue="till",
            start_to_close_timeout=PATIENCE,
            schedule_to_close_timeout=PATIENCE,
        )

    assert book.tenants() == ["early"]
    assert result is not None


async def test_calls_have_tenant_weight_and_priority_of_their_task(hall: Hall) -> None:
    book = Book()
    async with hall.serving(book.pool(shops.desk)):
        for capability, priority, weight in (
            ("desk.ask", None, None),
            ("desk.ask", 2, 5.0),
            ("desk.ask_first", 4, None),
        ):
            handle = await hall.start(capability, tenant="ada", priority=priority, weight=weight)
            await handle.result(timeout=PATIENCE)

    assert [each.priority for each in book.served] == [
        Priority(None, "ada", None),
        Priority(2, "ada", 5.0),
        Priority(1, "ada", 2.0),
    ]


async def test_a_tenant_with_many_tasks_does_not_delay_another_s_one(hall: Hall) -> None:
    book = Book(seconds=0.02)

    async def begun() -> bool:
        return len(book.served) >= 5

    many = [await hall.start("desk.ask", tenant="big") for _ in range(60)]
    await hall.waiting("desk", 60)
    async with hall.serving(book.pool(shops.desk, slots=1)):
        await eventually(begun)
        before = len(book.served)
        single = await hall.start("desk.ask", tenant="small")
        await single.result(timeout=PATIENCE)
        for handle in many:
            await handle.result(timeout=PATIENCE)

    # Those before it: one that was being served, one that the worker may have been given already, and those that were
    # served while the task itself was started.
    assert book.tenants().index("small") <= before + 4
    assert book.counts() == {"big": 60, "small": 1}


async def test_tenants_take_turns_by_their_weights(hall: Hall) -> None:
    book = Book()
    handles = [
        await hall.start("desk.ask", tenant="one", count=30),
        await hall.start("desk.ask", tenant="three", count=30, weight=3.0),
    ]
    await hall.waiting("desk", 60)
    async with hall.serving(book.pool(shops.desk, slots=1)):
        for handle in handles:
            await handle.result(timeout=PATIENCE)

    first = book.tenants()[:24]
    assert 16 <= first.count("three") <= 20, first
    assert book.counts() == {"one": 30, "three": 30}


async def test_the_first_priority_overtakes_a_backlog_of_the_last(hall: Hall) -> None:
    book = Book(seconds=0.02)
    last = await hall.start("desk.ask", tenant="last", count=60, priority=5)
    await hall.waiting("desk", 60)
    first = await hall.start("desk.ask", tenant="first", priority=1)
    await hall.backlog("desk", 61)
    state = await describe_queue(hall.temporal, "desk", "agent", "desk")
    async with hall.serving(book.pool(shops.desk, slots=1)):
        await first.result(timeout=PATIENCE)
        await last.result(timeout=PATIENCE)

    assert [(each.priority, each.waiting) for each in state.by_priority] == [(1, 1), (5, 60)]
    # One of the others may have been on its way to the worker already.
    assert book.tenants().index("first") <= 1


async def configured(hall: Hall, queue: str) -> TaskQueueConfig:
    answer = await hall.temporal.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace="default",
            task_queue=TaskQueue(name=queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
            report_config=True,
        )
    )
    return answer.config


async def set_by_operator(hall: Hall, queue: str, *, rate: float | None = None, tenants: float | None = None) -> None:
    request = UpdateTaskQueueConfigRequest(
        namespace="default", task_queue=queue, task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
    )
    if rate is not None:
        request.update_queue_rate_limit.rate_limit.requests_per_second = rate
    if tenants is not None:
        request.update_fairness_key_rate_limit_default.rate_limit.requests_per_second = tenants
    await hall.temporal.workflow_service.update_task_queue_config(request)


async def test_the_tenants_rate_follows_the_contract(hall: Hall) -> None:
    book = Book()
    rates: list[float | None] = []
    times = []
    for declared in (5, 5, 8, None):
        async with hall.serving(book.pool(Agent("moody", tenant_rate=declared))):
            config = await configured(hall, "moody")
        limit = config.fairness_keys_rate_limit_default
        rates.append(limit.rate_limit.requests_per_second if limit.HasField("rate_limit") else None)
        times.append(limit.metadata.update_time.ToDatetime())

    assert rates == [5, 5, 8, None]
    assert times[0] == times[1] < times[2] < times[3], "what is right already is left alone"


async def test_what_others_have_set_is_left_alone(hall: Hall) -> None:
    await set_by_operator(hall, "held", rate=0, tenants=7)
    async with hall.serving(Book().pool(Agent("held"))):
        undeclared = await configured(hall, "held")
    async with hall.serving(Book().pool(Agent("held", tenant_rate=3))):
        declared = await configured(hall, "held")
        state = await describe_queue(hall.temporal, "held", "agent", "held")

    assert undeclared.fairness_keys_rate_limit_default.rate_limit.requests_per_second == 7
    assert declared.fairness_keys_rate_limit_default.rate_limit.requests_per_second == 3
    assert declared.queue_rate_limit.HasField("rate_limit")
    assert declared.queue_rate_limit.rate_limit.requests_per_second == 0
    assert (state.limit, state.tenant_limit) == (Limit(0, declared=False), 3)


async def test_processes_that_start_together_agree(hall: Hall) -> None:
    await asyncio.gather(*(keep_tenant_rate(hall.temporal, "rush", 4) for _ in range(8)))

    config = await configured(hall, "rush")
    assert config.fairness_keys_rate_limit_default.rate_limit.requests_per_second == 4
