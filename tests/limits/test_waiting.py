"""Who waits, and for how long, as the server knows it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sagamesh import App, Mesh, Pool, RetryLater
from sagamesh.cli.finding import Level
from sagamesh.cli.server_checks import _queue
from sagamesh.cli.waiting import backlog_text, limit_text, queues_named
from sagamesh.discovery import Backlog, Limit, QueueState, describe_app
from sagamesh.errors import UnknownName
from sagamesh.waiting import waiting_calls
from tests.limits import shops
from tests.limits.conftest import Book, Hall
from tests.support.engine import eventually

APP = App(
    mesh=Mesh(*shops.AGENTS),
    tasks=(shops.crowd,),
    pools=dict.fromkeys(("limited", "shared", "till", "desk", "crowds"), "nowhere:pool"),
)


@pytest.mark.asyncio(loop_scope="session")
async def test_those_that_wait_longest_first(hall: Hall) -> None:
    before = datetime.now(UTC)
    first = await hall.start("desk.ask", tenant="ada", priority=4)
    await hall.waiting("desk", 1)
    second = await hall.start("desk.ask_first", tenant="bob", count=2)
    elsewhere = await hall.start("till.quote", tenant="cleo")
    await hall.waiting("desk", 3)
    await hall.waiting("till", 1)

    found = await hall.waiting("desk", 3)
    few = await waiting_calls(hall.temporal, ["desk"], most=1)

    assert [(call.task_id, call.tenant, call.customer, call.capability, call.priority) for call in found.calls] == [
        (first.id, "ada", "ada", "desk.ask", 4),
        *[(second.id, "bob", "bob", "desk.ask_first", 1)] * 2,
    ]
    assert {(call.task, call.queue, call.attempt) for call in found.calls} == {("Crowd", "desk", 1)}
    assert all(before - timedelta(seconds=1) < call.since < datetime.now(UTC) for call in found.calls)
    assert found.complete
    assert (few.looked_at, few.open >= 3, few.complete) == (1, True, False)
    book = Book()
    async with hall.serving(book.pool(shops.desk), book.pool(shops.till)):
        for handle in (first, second, elsewhere):
            await handle.result(timeout=timedelta(seconds=60))
    assert (await waiting_calls(hall.temporal, ["desk"])).calls == ()


@pytest.mark.asyncio(loop_scope="session")
async def test_a_pause_between_two_attempts_is_no_waiting(hall: Hall) -> None:
    tries = []

    async def later(call: shops.Call) -> shops.Done:
        tries.append(call)
        raise RetryLater("not now", after=timedelta(hours=1))

    async def no(call: shops.Call) -> shops.Done:
        raise NotImplementedError

    pool = Pool(shops.desk).serve(shops.ask_paused, later).serve(shops.ask, no).serve(shops.ask_first, no)
    handle = await hall.start("desk.ask_paused")

    async def waits() -> bool:
        return bool((await waiting_calls(hall.temporal, ["desk"])).calls)

    async def tried() -> bool:
        described = await hall.temporal.get_workflow_handle(handle.id).describe()
        [call] = described.raw_description.pending_activities
        return bool(tries) and call.HasField("last_failure")

    await eventually(waits)
    async with hall.serving(pool):
        await eventually(tried)
    assert (await waiting_calls(hall.temporal, ["desk"])).calls == ()
    await hall.temporal.get_workflow_handle(handle.id).terminate()


@pytest.mark.asyncio(loop_scope="session")
async def test_a_task_that_nobody_hosts_waits_itself(hall: Hall) -> None:
    handle = await hall.client.start(
        shops.unhosted, shops.Calls(tenant="ada", capability="desk.ask"), id="unhosted-1", priority=2
    )

    [call] = (await hall.waiting("nowhere", 1)).calls

    assert (call.task_id, call.capability, call.queue, call.priority) == (handle.id, "", "nowhere", 2)
    await hall.temporal.get_workflow_handle(handle.id).terminate()


@pytest.mark.asyncio(loop_scope="session")
async def test_every_queue_of_an_agent_is_described(hall: Hall) -> None:
    found = await describe_app(hall.temporal, APP)

    assert [(state.serves, state.kind, state.queue) for state in found] == [
        ("limited", "agent", "limited"),
        ("shared", "agent", "shared"),
        ("till", "agent", "till"),
        ("till", "provider", "till/bank"),
        ("desk", "agent", "desk"),
        ("crowds", "tasks", "crowds"),
    ]


@pytest.mark.parametrize(
    ("name", "queues"),
    [
        ("", ["limited", "shared", "till", "till/bank", "desk", "crowds"]),
        ("till", ["till", "till/bank"]),
        ("till/bank", ["till/bank"]),
        ("crowds", ["crowds"]),
    ],
)
def test_queues_by_name(name: str, queues: list[str]) -> None:
    assert queues_named(APP, name) == queues


def test_a_name_that_nobody_has() -> None:
    with pytest.raises(UnknownName) as unknown:
        queues_named(APP, "til")
    assert "till" in unknown.value.nearest


def state(
    *backlogs: tuple[int, int],
    limit: Limit | None = None,
    tenant_limit: float | None = None,
    oldest: timedelta = timedelta(0),
) -> QueueState:
    return QueueState(
        serves="till",
        kind="agent",
        queue="till",
        workers=(),
        last_seen=None,
        backlog=sum(waiting for _, waiting in backlogs),
        oldest=oldest,
        added=0,
        dispatched=0,
        by_priority=tuple(Backlog(priority, waiting, timedelta(0)) for priority, waiting in backlogs),
        limit=limit,
        tenant_limit=tenant_limit,
    )


@pytest.mark.parametrize(
    ("backlogs", "text"),
    [([], "0"), ([(3, 7)], "7"), ([(1, 7)], "7 (1: 7)"), ([(1, 1), (5, 500)], "501 (1: 1, 5: 500)")],
)
def test_backlogs_in_words(backlogs: list[tuple[int, int]], text: str) -> None:
    assert backlog_text(state(*backlogs)) == text


@pytest.mark.parametrize(
    ("limit", "tenants", "text"),
    [
        (None, None, ""),
        (Limit(20, declared=True), None, "20/s"),
        (None, 0.5, "0.5/s a tenant"),
        (Limit(0, declared=False), 5, "0/s*, 5/s a tenant"),
    ],
)
def test_limits_in_words(limit: Limit | None, tenants: float | None, text: str) -> None:
    assert limit_text(state(limit=limit, tenant_limit=tenants)) == text


@pytest.mark.parametrize(
    ("limited", "said", "advice"),
    [(True, "held back by a limit", "sagamesh agents till --waiting"), (False, "cannot keep up", "start more")],
)
def test_doctor_does_not_ask_for_workers_where_a_limit_holds_calls_back(limited: bool, said: str, advice: str) -> None:
    late = state((3, 7), limit=Limit(1, declared=True), oldest=timedelta(minutes=2))
    found = _queue(replace(late, workers=("1@here",), limited=limited))

    assert found.level is Level.WARN
    assert said in found.message
    assert advice in found.advice
