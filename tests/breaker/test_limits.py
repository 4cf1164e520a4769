"""A rate that an operator sets by hand, before and while a breaker holds the same queue."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, UpdateTaskQueueConfigRequest

from sagamesh.breaker.contract import declared_breakers
from sagamesh.breaker.control import decide, see
from sagamesh.breaker.fleet import Hold, keeper_id
from sagamesh.breaker.gate import Former, Gate, HoldRequest, look
from sagamesh.breaker.notice import Notice, written
from tests.breaker.conftest import Server, eventually
from tests.support.outages import agents

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]


async def set_limit(server: Server, queue: str, rate: float | None) -> None:
    """As `temporal task-queue config set --queue-rps-limit` does; None is its `default`."""
    request = UpdateTaskQueueConfigRequest(
        namespace=server.temporal.namespace,
        identity="temporal-cli:olga@desk",
        task_queue=queue,
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    )
    request.update_queue_rate_limit.reason = "incident" if rate is not None else ""
    if rate is not None:
        request.update_queue_rate_limit.rate_limit.requests_per_second = rate
    await server.temporal.workflow_service.update_task_queue_config(request)
    await eventually(lambda: _is_set(server, queue, rate))


async def limit(server: Server, queue: str) -> float | None:
    """The rate that is set for the queue."""
    request = DescribeTaskQueueRequest(
        namespace=server.temporal.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        report_config=True,
    )
    found = (await server.temporal.workflow_service.describe_task_queue(request)).config.queue_rate_limit
    return found.rate_limit.requests_per_second if found.HasField("rate_limit") else None


@pytest.mark.parametrize("changed", [None, 7.0], ids=["removed", "changed"])
async def test_a_limit_changed_meanwhile_lifts_no_breaker_and_is_what_comes_back(
    server: Server, changed: float | None
) -> None:
    breakers = declared_breakers(agents["operated"])
    async with server.serving():
        await set_limit(server, "operated", 5)
        await decide(server.temporal, breakers, "open", by="olga", reason="maintenance")
        await set_limit(server, "operated", changed)
        await eventually(lambda: _forced(server))
        await decide(server.temporal, breakers, "close", by="olga", reason="done")

    assert await limit(server, "operated") == changed
    await set_limit(server, "operated", None)


async def test_a_limit_changed_meanwhile_is_what_comes_back_also_when_it_is_closed_before_anybody_has_looked(
    server: Server,
) -> None:
    breakers = declared_breakers(agents["operated"])
    async with server.serving():
        await set_limit(server, "operated", 5)
        await decide(server.temporal, breakers, "open", by="olga", reason="maintenance")
        await set_limit(server, "operated", None)
        await decide(server.temporal, breakers, "close", by="olga", reason="done")
        assert await limit(server, "operated") is None

        await set_limit(server, "operated", 5)
        await decide(server.temporal, breakers, "open", by="olga", reason="maintenance")
        await decide(server.temporal, breakers, "close", by="olga", reason="done")
        assert await limit(server, "operated") == 5
    await set_limit(server, "operated", None)


@pytest.mark.parametrize("before", [10.0, None], ids=["10 a second", "none"])
async def test_a_hold_whose_answer_was_lost_is_repeated_and_forgets_no_limit(
    server: Server, before: float | None
) -> None:
    """What the keeper knows is older: its last answer came before the operator's change."""
    gate, known = Gate(server.temporal), Former(rate=5, reason="before")
    notice = Notice("provider", "open", datetime.now(UTC), cause="Down: 503")
    hold = HoldRequest(hold=Hold(queue="operated", rate=0.5, reason=written([notice]), fresh=True), former=known)
    await set_limit(server, "operated", before)

    await gate.hold(hold)
    repeated = await gate.hold(hold)
    assert set(await look(server.temporal, "operated")) == {"provider"}
    assert await limit(server, "operated") == 0.5
    await gate.hold(HoldRequest(hold=Hold(queue="operated", reason="closed"), former=known))

    assert repeated.former == (None if before is None else Former(rate=before, reason="incident"))
    assert await limit(server, "operated") == before
    await set_limit(server, "operated", None)


async def test_looking_whether_it_stays_held_adds_nothing_to_the_history(server: Server) -> None:
    breakers = declared_breakers(agents["operated"])
    keeper = server.temporal.get_workflow_handle(keeper_id("operated"))

    async def looked(times: int) -> bool:
        pending = (await keeper.describe()).raw_description.pending_activities
        return bool(pending) and pending[0].attempt > times

    async with server.serving():
        await decide(server.temporal, breakers, "open", by="olga", reason="maintenance")
        await eventually(lambda: looked(1))
        before = (await keeper.describe()).history_length
        await eventually(lambda: looked(2))
        assert (await keeper.describe()).history_length == before
        await decide(server.temporal, breakers, "close", by="olga", reason="done")


async def _forced(server: Server) -> bool:
    [seen] = await see(server.temporal, declared_breakers(agents["operated"]))
    return seen.state == "forced open"


async def _is_set(server: Server, queue: str, rate: float | None) -> bool:
    return await limit(server, queue) == rate
