"""Single calls behind a breaker: what counts as an attempt, what is put off, what is final."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from temporalio import activity
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.exceptions import ApplicationError

from sagamesh import BusinessError, Pool, RetryLater, TaskHandle
from sagamesh.breaker.contract import declared_breakers
from sagamesh.breaker.control import decide, see
from sagamesh.breaker.gate import look
from sagamesh.discovery import describe_queue
from sagamesh.errors import TaskFailed
from tests.breaker.conftest import Server, eventually
from tests.support.outages import Ask, Told, agents, asking

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]

Answer = Callable[[Ask], Awaitable[Told]]


class No(BusinessError):
    """An answer."""


def pool(name: str, answer: Answer) -> Pool:
    """The agent of this name, answering so."""
    return Pool(agents[name], grace=timedelta(0)).serve(agents[name].find("ask"), answer)


async def begun(server: Server, agent: str, number: int = 0) -> TaskHandle[Told]:
    return await server.client.start(asking, Ask(agent=agent), id=f"{agent}-{number}")


async def pending(server: Server, handle: TaskHandle[Told]) -> PendingActivityInfo | None:
    """The call of a task that the server has not got rid of."""
    described = await server.temporal.get_workflow_handle(handle.id).describe()
    found = list(described.raw_description.pending_activities)
    return found[0] if found else None


async def test_refused_attempts_are_not_counted(server: Server) -> None:
    """Each call fails twice and succeeds at its third attempt, the last one allowed; some are refused in between."""
    real: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    called = asyncio.Event()

    async def third(ask: Ask) -> Told:
        info = activity.info()
        task_id = str(info.workflow_id)
        called.set()
        real[task_id] += 1
        refused[task_id] = info.attempt - real[task_id]
        assert list(info.heartbeat_details) == []
        if real[task_id] < 3:
            raise ConnectionError("down")
        return Told(said="at last")

    async with server.serving(pool("patient", third)):
        handles = [await begun(server, "patient")]
        await called.wait()
        handles += [await begun(server, "patient", n) for n in (1, 2)]
        results = [await handle.result() for handle in handles]

    assert results == [Told(said="at last")] * 3
    assert set(real.values()) == {3}
    assert refused.total() > 0


async def test_the_last_real_attempt_is_final(server: Server) -> None:
    calls = 0

    async def never(ask: Ask) -> Told:
        nonlocal calls
        calls += 1
        raise ConnectionError("down")

    async with server.serving(pool("finite", never)):
        with pytest.raises(TaskFailed) as failed:
            await (await begun(server, "finite")).result()

    assert (failed.value.failure.type, failed.value.failure.message) == ("ConnectionError", "down")
    assert calls == 3


async def test_attempts_that_end_without_a_word_count(server: Server) -> None:
    """As when each kills its worker: the engine alone notices."""
    calls = 0

    async def silent(ask: Ask) -> Told:
        nonlocal calls
        calls += 1
        await asyncio.sleep(2)
        return Told()

    async with server.serving(pool("stuck", silent)):
        with pytest.raises(TaskFailed) as failed:
            await (await begun(server, "stuck")).result()

    assert (failed.value.failure.type, failed.value.failure.message) == (
        "TimeoutError",
        "no answer in time (3 attempts)",
    )
    assert calls == 3


async def test_what_takes_too_long_is_a_failure(server: Server) -> None:
    async def silent(ask: Ask) -> Told:
        await asyncio.sleep(2)
        return Told()

    async with server.serving(pool("slow", silent)):
        handles = [await begun(server, "slow", n) for n in range(2)]
        await eventually(lambda: _held(server, "slow"))
        [notice] = (await look(server.temporal, "slow")).values()
        for handle in handles:
            await server.temporal.get_workflow_handle(handle.id).terminate()

    assert notice.cause == "slow.ask: no answer within 0.5 s"


async def test_details_of_heartbeats_outlive_refusals(server: Server) -> None:
    """An implementation that resumes by them finds its own, and nothing else."""
    found: list[tuple[object, ...]] = []
    up = asyncio.Event()

    async def resumes(ask: Ask) -> Told:
        found.append(tuple(activity.info().heartbeat_details))
        if not up.is_set():
            activity.heartbeat({"row": len(found)})
            raise ConnectionError("down")
        return Told(said=str(found[-1]))

    async with server.serving(pool("resuming", resumes)):
        handle = await begun(server, "resuming")
        other = await begun(server, "resuming", 2)
        await eventually(lambda: _refused(server, handle))
        up.set()
        await handle.result()
        await other.result()

    assert ({"row": 1},) in found
    assert all(details == () or (len(details) == 1 and set(details[0]) == {"row"}) for details in found)  # type: ignore[call-overload]


async def test_a_longer_retry_after_is_never_shortened(server: Server) -> None:
    async def later(ask: Ask) -> Told:
        raise RetryLater("come back tomorrow", after=timedelta(days=1))

    async with server.serving(pool("later", later)):
        handle = await begun(server, "later")
        await eventually(lambda: _put_off(server, handle))
        waiting = await pending(server, handle)
        await server.temporal.get_workflow_handle(handle.id).terminate()
        await decide(server.temporal, declared_breakers(agents["later"]), "close", by="test", reason="over")

    assert waiting is not None
    assert waiting.last_failure.application_failure_info.type == "RetryLater"
    in_a_day = datetime.now(UTC) + timedelta(days=1)
    assert abs(waiting.next_attempt_schedule_time.ToDatetime(tzinfo=UTC) - in_a_day) < timedelta(minutes=2)


async def test_a_total_that_ends_before_the_recovery_ends_the_call_at_once(server: Server) -> None:
    async def down(ask: Ask) -> Told:
        raise ConnectionError("down")

    async with server.serving(pool("hurried", down)):
        with pytest.raises(TaskFailed) as failed:
            async with asyncio.timeout(10):
                await (await begun(server, "hurried")).result()
        await decide(server.temporal, declared_breakers(agents["hurried"]), "close", by="test", reason="over")

    assert failed.value.failure.type == "ConnectionError"


async def test_answers_and_bugs_of_the_caller_open_nothing(server: Server) -> None:
    async def refuses(ask: Ask) -> Told:
        raise No("no")

    async def bad(ask: Ask) -> Told:
        raise ApplicationError("wrong", non_retryable=True)

    for n, answer in enumerate((refuses, bad)):
        async with server.serving(pool("answering", answer)):
            for m in range(3):
                with pytest.raises(TaskFailed):
                    await (await begun(server, "answering", 10 * n + m)).result()
            assert await look(server.temporal, "answering") == {}


async def test_operators_open_and_close_and_everybody_sees_it(server: Server) -> None:
    calls = 0

    async def fine(ask: Ask) -> Told:
        nonlocal calls
        calls += 1
        return Told(said="fine")

    breakers = declared_breakers(agents["operated"])
    async with server.serving(pool("operated", fine)):
        [opened] = await decide(server.temporal, breakers, "open", by="olga", reason="maintenance: no calls")
        assert (opened.state, opened.by, opened.reason) == ("forced open", "olga", "maintenance: no calls")
        handle = await begun(server, "operated")
        await eventually(lambda: _waits(handle))
        [entry] = (await handle.timeline()).entries
        state = await describe_queue(server.temporal, "operated", "agent", "operated")
        assert entry.held == "breaker operated.ask is forced open: maintenance: no calls"
        assert [(n.key, n.state, n.cause) for n in state.breakers] == [
            ("operated.ask", "forced open", "maintenance: no calls")
        ]
        assert calls == 0

        [closed] = await decide(server.temporal, breakers, "close", by="paul", reason="done")
        await handle.result()
        assert (closed.state, closed.by, closed.reason) == ("closed", "paul", "done")
        # Kept by the server after its keeper has gone.
        assert await see(server.temporal, breakers) == [closed]
        assert (await describe_queue(server.temporal, "operated", "agent", "operated")).breakers == ()
        assert (await handle.timeline()).entries[0].held == ""

        await decide(server.temporal, breakers, "open", by="olga", reason="again")
        await decide(server.temporal, breakers, "reset", by="olga", reason="let a probe decide")
        await decide(server.temporal, breakers, "close", by="olga", reason="enough")


async def test_a_process_that_saw_nothing_of_the_hold_makes_the_probe_that_closes_it(server: Server) -> None:
    """At rest it looks at the queue so seldom that it misses what an operator has opened and reset in between."""

    async def fine(ask: Ask) -> Told:
        return Told(said="fine")

    breakers = declared_breakers(agents["operated"])
    async with server.serving(pool("operated", fine)):
        await (await begun(server, "operated", 1)).result()
        await decide(server.temporal, breakers, "open", by="olga", reason="maintenance")
        await decide(server.temporal, breakers, "reset", by="olga", reason="let a probe decide")
        await asyncio.gather(*[(await begun(server, "operated", n)).result() for n in range(2, 5)])
        async with asyncio.timeout(10):
            await eventually(lambda: _closed_by_probe(server))


async def _closed_by_probe(server: Server) -> bool:
    [seen] = await see(server.temporal, declared_breakers(agents["operated"]))
    return (seen.state, seen.reason) == ("closed", "a probe succeeded")


async def _held(server: Server, queue: str) -> bool:
    return bool(await look(server.temporal, queue))


async def _waits(handle: TaskHandle[Told]) -> bool:
    return bool((await handle.timeline()).entries)


async def _put_off(server: Server, handle: TaskHandle[Told]) -> bool:
    found = await pending(server, handle)
    return found is not None and found.HasField("last_failure") and found.HasField("next_attempt_schedule_time")


async def _refused(server: Server, handle: TaskHandle[Told]) -> bool:
    found = await pending(server, handle)
    return found is not None and found.attempt > 2
