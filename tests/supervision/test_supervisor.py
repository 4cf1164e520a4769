"""Tasks that are ended from outside, on a real server."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowExecutionStatus

from sagamesh.call import UNDO
from sagamesh.compatibility import VERSION
from sagamesh.errors import InvalidInput, Refused, TaskConflict, TaskFailed
from sagamesh.status import OperatorDecision, Stage
from sagamesh.supervision import examiner, supervisor_id
from sagamesh.supervision.messages import EARLIER_RUNS
from sagamesh.timeline import Kind
from tests.supervision import shop
from tests.supervision.conftest import Supervised
from tests.supervision.shop import Wanted
from tests.support.engine import eventually
from tests.support.script import Gate

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_task_that_completes_is_left_alone(supervised: Supervised) -> None:
    task_id = supervised.new_id()
    handle = await supervised.begin(task_id, Wanted())
    again = await supervised.begin(task_id, Wanted())
    assert (await handle.result()).what == "1"
    assert (handle.found, again.found) == (False, True)
    assert await supervised.supervisor(task_id).result() == {"ended": "completed", "forgotten": ""}
    assert supervised.books.done_for(task_id) == ["reserve", "charge", "confirm"]
    with pytest.raises(TaskConflict):
        await supervised.begin(task_id, Wanted(what="other"))


async def test_a_task_that_fails_has_undone_its_own_steps(supervised: Supervised) -> None:
    task_id = supervised.new_id()
    handle = await supervised.begin(task_id, Wanted(hold="before pivot"))
    await supervised.did(task_id, "charge")
    await handle.cancel()
    with pytest.raises(TaskFailed):
        await handle.result()
    assert await supervised.supervisor(task_id).result() == {"ended": "cancelled", "forgotten": ""}
    assert supervised.books.done_for(task_id) == ["reserve", "charge", "refund", "release"]


async def test_terminated_between_charge_and_pivot(supervised: Supervised) -> None:
    task_id = supervised.new_id()
    handle = await supervised.begin(task_id, Wanted(hold="before pivot"))
    await supervised.did(task_id, "charge")
    await supervised.terminate(task_id)

    failure = await supervised.failure(task_id)

    assert failure.type == "Terminated"
    assert "the test says so" in failure.message
    assert [str(step) for step in failure.undone] == ["shop.charge undone", "shop.reserve undone"]
    assert supervised.books.done_for(task_id) == ["reserve", "charge", "refund", "release"]
    assert supervised.books.of(task_id) == []
    with pytest.raises(TaskFailed, match="erminated"):
        await handle.result()


async def test_an_undo_carries_the_version_that_the_task_knew(supervised: Supervised) -> None:
    task_id = supervised.new_id()
    await supervised.begin(task_id, Wanted(hold="before pivot"))
    await supervised.did(task_id, "charge")
    await supervised.terminate(task_id)
    await supervised.failure(task_id)

    history = await supervised.client.temporal.get_workflow_handle(supervisor_id(task_id)).fetch_history()
    calls = [e.activity_task_scheduled_event_attributes for e in history.events if _is_scheduled(e)]
    undos = {call.activity_id: call.header.fields[VERSION].data for call in calls if call.activity_id.startswith(UNDO)}
    known = shop.shop.version.encode()
    assert undos == {"undo:shop.charge": known, "undo:shop.reserve": known}


def _is_scheduled(event: HistoryEvent) -> bool:
    return event.HasField("activity_task_scheduled_event_attributes")


async def test_terminated_while_it_charges(supervised: Supervised) -> None:
    """The undo begins when the attempt has timed out; one that acts even later finds the mark."""
    task_id, gate = supervised.new_id(), Gate()
    supervised.books.gates[task_id, "charge"] = gate
    await supervised.begin(task_id, Wanted())
    await gate.reached()
    await supervised.terminate(task_id)
    ended = (await supervised.client.temporal.get_workflow_handle(task_id).describe()).close_time

    failure = await supervised.failure(task_id)
    gate.open()

    assert [step.step for step in failure.undone] == ["shop.charge", "shop.reserve"]
    entries = (await supervised.supervisor(task_id).timeline()).entries
    undo = next(entry for entry in entries if entry.name == "shop.charge")
    assert ended is not None
    assert undo.at >= ended + timedelta(seconds=1.5)

    async def refused() -> bool:
        return "charge refused" in supervised.books.done_for(task_id)

    await eventually(refused)
    assert supervised.books.of(task_id) == []


async def test_terminated_after_its_pivot(supervised: Supervised) -> None:
    """Nothing is undone; an operator says that it was finished by hand."""
    task_id = supervised.new_id()
    await supervised.begin(task_id, Wanted(hold="after pivot"))
    await supervised.did(task_id, "confirm")
    await supervised.terminate(task_id)
    await supervised.reaches(task_id, Stage.NEEDS_OPERATOR)
    supervisor = supervised.supervisor(task_id)
    with pytest.raises(Refused, match="past its point of no return"):
        await supervisor.cancel()
    assert [(e.kind, e.name) for e in (await supervisor.timeline()).for_operator] == [(Kind.PIVOT, "shop.confirm")]

    decision = OperatorDecision(step="shop.confirm", action="resolve", by="olga", reason="sent it by hand")
    await supervisor.operator(decision)

    assert (await supervised.failure(task_id)).type == "Terminated"
    ended = await supervisor.timeline()
    assert (ended.unfinished, ended.for_operator) == ((), ())
    assert supervised.books.of(task_id) == ["reserve", "charge", "confirm"]


async def test_terminated_after_its_pivot_and_reset(supervised: Supervised) -> None:
    """The operator lets the task go on, and the supervisor with it."""
    task_id = supervised.new_id()
    await supervised.begin(task_id, Wanted(hold="after pivot"))
    await supervised.did(task_id, "confirm")
    await supervised.terminate(task_id)
    await supervised.reaches(task_id, Stage.NEEDS_OPERATOR)
    await supervised.reset(task_id)
    await supervised.client.temporal.get_workflow_handle(task_id).signal("go_on")
    assert (await supervised.client.handle(shop.buy, task_id).result()).what == "1"

    decision = OperatorDecision(step="shop.confirm", action="retry", by="olga")
    await supervised.supervisor(task_id).operator(decision)

    assert await supervised.supervisor(task_id).result() == {"ended": "completed", "forgotten": ""}
    assert supervised.books.done_for(task_id) == ["reserve", "charge", "confirm"]


async def test_timed_out_by_the_engine(supervised: Supervised) -> None:
    task_id = supervised.new_id()
    wanted = Wanted(hold="before pivot")
    await supervised.client.start(shop.buy, wanted, id=task_id, supervised=True, timeout=timedelta(seconds=2))

    failure = await supervised.failure(task_id)

    assert failure.type == "TimedOut"
    assert supervised.books.done_for(task_id) == ["reserve", "charge", "refund", "release"]


async def test_only_a_supervised_task_has_a_timeout(supervised: Supervised) -> None:
    for is_supervised, timeout in ((False, 2), (True, 0)):
        with pytest.raises(InvalidInput, match="timeout"):
            await supervised.client.start(
                shop.buy, Wanted(), id="x", supervised=is_supervised, timeout=timedelta(seconds=timeout)
            )


async def test_reset_to_its_first_turn(supervised: Supervised) -> None:
    """It goes on under the same keys, so that nothing happens twice, and nothing is left."""
    task_id = supervised.new_id()
    await supervised.begin(task_id, Wanted(hold="before pivot"))
    await supervised.did(task_id, "charge")
    await supervised.reset(task_id)
    await supervised.client.temporal.get_workflow_handle(task_id).signal("go_on")

    assert await supervised.supervisor(task_id).result() == {"ended": "completed", "forgotten": ""}
    assert supervised.books.done_for(task_id) == ["reserve", "charge", "confirm"]


async def test_reset_and_then_another_way(supervised: Supervised) -> None:
    """What the run before had begun and the new one never came to is undone after the end."""
    task_id = supervised.new_id()
    supervised.books.prices[task_id] = ["1", "free"]
    await supervised.begin(task_id, Wanted(hold="before pivot"))
    await supervised.did(task_id, "charge")
    await supervised.reset(task_id)
    await supervised.client.temporal.get_workflow_handle(task_id).signal("go_on")

    assert await supervised.supervisor(task_id).result() == {"ended": "completed", "forgotten": ""}
    assert supervised.books.done_for(task_id) == ["reserve", "charge", "confirm", "refund"]
    assert supervised.books.of(task_id) == ["reserve", "confirm"]


async def test_reset_twice_from_its_first_run(supervised: Supervised) -> None:
    """Neither of the last run's forebears is the run in between, which charged."""
    task_id = supervised.new_id()
    supervised.books.prices[task_id] = ["free", "1", "free"]
    await supervised.begin(task_id, Wanted(hold="before pivot"))
    await supervised.did(task_id, "reserve")
    first = await supervised.reset(task_id)
    await supervised.did(task_id, "charge")
    await supervised.reset(task_id, first)
    await supervised.client.temporal.get_workflow_handle(task_id).signal("go_on")

    assert await supervised.supervisor(task_id).result() == {"ended": "completed", "forgotten": ""}
    assert supervised.books.done_for(task_id).count("charge") == 1
    assert supervised.books.of(task_id) == ["reserve", "confirm"]


async def test_reset_and_then_terminated(supervised: Supervised) -> None:
    task_id = supervised.new_id()
    await supervised.begin(task_id, Wanted(hold="before pivot"))
    await supervised.did(task_id, "charge")
    await supervised.reset(task_id)
    await supervised.terminate(task_id)

    failure = await supervised.failure(task_id)

    assert {step.step for step in failure.undone} == {"shop.charge", "shop.reserve"}
    assert supervised.books.of(task_id) == []


class TestForgottenRuns:
    """The server forgets a run after the namespace's retention."""

    async def test_of_a_task_that_ended_by_itself(self, supervised: Supervised) -> None:
        """The supervisor ends, too, and says what it does not know."""
        task_id = supervised.new_id()
        await supervised.begin(task_id, Wanted(hold="before pivot"))
        await supervised.did(task_id, "charge")
        first = await supervised.reset(task_id)
        await supervised.forget(task_id, first)
        await supervised.client.temporal.get_workflow_handle(task_id).signal("go_on")

        ended = await supervised.supervisor(task_id).result()

        assert ended == {"ended": "completed", "forgotten": f"its run {first} is past the namespace's retention"}
        assert supervised.books.done_for(task_id) == ["reserve", "charge", "confirm"]

    @pytest.mark.parametrize(
        ("action", "undone"),
        [("resolve", ["shop.charge undone", "shop.reserve undone"]), ("skip", [])],
    )
    async def test_of_a_task_that_was_terminated(
        self, supervised: Supervised, action: Literal["resolve", "skip"], undone: list[str]
    ) -> None:
        """One of them may have come to the pivot, so nothing is undone before an operator says so. Then once."""
        task_id = supervised.new_id()
        await supervised.begin(task_id, Wanted(hold="before pivot"))
        await supervised.did(task_id, "charge")
        first = await supervised.reset(task_id)
        await supervised.did(task_id, "charge")
        await supervised.forget(task_id, first)
        await supervised.terminate(task_id)
        await supervised.reaches(task_id, Stage.NEEDS_OPERATOR)
        supervisor = supervised.supervisor(task_id)
        assert [(e.kind, e.name) for e in (await supervisor.timeline()).for_operator] == [(Kind.PIVOT, EARLIER_RUNS)]
        [told] = (await supervisor.status()).steps
        assert told.failure is not None
        assert f"its run {first} is past" in told.failure.message
        assert "undoes what is known: shop.reserve, shop.charge" in told.failure.message
        assert supervised.books.of(task_id) == ["reserve", "charge"]
        # Meanwhile the rest is forgotten, too: what the supervisor has seen it still knows.
        await supervised.forget(task_id)
        await supervised.decide(task_id, EARLIER_RUNS, "retry")
        await supervised.reaches(task_id, Stage.NEEDS_OPERATOR)

        await supervised.decide(task_id, EARLIER_RUNS, action)

        failure = await supervised.failure(task_id)
        assert failure.type == "Terminated"
        assert [str(step) for step in failure.undone] == undone
        assert supervised.books.done_for(task_id)[2:] == (["refund", "release"] if undone else [])

    async def test_a_task_that_was_ended_after_its_pivot(self, supervised: Supervised) -> None:
        """The operator looks again when the server has nothing of it any more."""
        task_id = supervised.new_id()
        await supervised.begin(task_id, Wanted(hold="after pivot"))
        await supervised.did(task_id, "confirm")
        await supervised.terminate(task_id)
        await supervised.reaches(task_id, Stage.NEEDS_OPERATOR)
        await supervised.forget(task_id)
        await supervised.decide(task_id, "shop.confirm", "retry")
        await supervised.reaches(task_id, Stage.NEEDS_OPERATOR)

        await supervised.decide(task_id, "shop.confirm", "resolve")

        assert (await supervised.failure(task_id)).type == "Terminated"
        assert supervised.books.of(task_id) == ["reserve", "charge", "confirm"]

    async def test_a_task_that_is_forgotten_before_anybody_looked(self, unhosted: Supervised) -> None:
        task_id = unhosted.new_id()
        async with unhosted.hosted():
            await unhosted.begin(task_id, Wanted(hold="before pivot"))
            await unhosted.did(task_id, "charge")
        await unhosted.terminate(task_id)
        await unhosted.forget(task_id)

        async with unhosted.hosted():
            await unhosted.reaches(task_id, Stage.NEEDS_OPERATOR)
            await unhosted.decide(task_id, EARLIER_RUNS, "resolve")
            failure = await unhosted.failure(task_id)

        assert failure.type == "Forgotten"
        assert "the task is past the namespace's retention" in failure.message
        assert unhosted.books.of(task_id) == ["reserve", "charge"]

    async def test_more_runs_than_are_read(self, supervised: Supervised, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(examiner, "_MOST_RUNS", 1)
        task_id = supervised.new_id()
        await supervised.begin(task_id, Wanted(hold="before pivot"))
        await supervised.did(task_id, "charge")
        await supervised.reset(task_id)
        await supervised.did(task_id, "charge")
        await supervised.terminate(task_id)
        await supervised.reaches(task_id, Stage.NEEDS_OPERATOR)
        await supervised.decide(task_id, EARLIER_RUNS, "skip")
        assert "it had more than 1 runs" in (await supervised.failure(task_id)).message


async def test_an_undo_that_a_breaker_refuses_is_not_tried_yet(supervised: Supervised) -> None:
    """More refusals than its contract has attempts: they count for nothing, need nobody, and add nothing to the
    history.
    """
    task_id = supervised.new_id()
    supervised.books.breaker[task_id, "refund"] = 4 * shop.MANY.attempts
    await supervised.begin(task_id, Wanted(hold="before pivot"))
    await supervised.did(task_id, "charge")
    await supervised.terminate(task_id)

    failure = await supervised.failure(task_id)

    assert [str(step) for step in failure.undone] == ["shop.charge undone", "shop.reserve undone"]
    assert supervised.books.done_for(task_id) == ["reserve", "charge", "refund", "release"]
    history = await supervised.client.temporal.get_workflow_handle(supervisor_id(task_id)).fetch_history()
    calls = [e.activity_task_scheduled_event_attributes.activity_id for e in history.events if _is_scheduled(e)]
    assert calls.count(f"{UNDO}shop.charge") == 2


async def test_an_undo_that_fails_waits_for_an_operator(supervised: Supervised) -> None:
    task_id = supervised.new_id()
    supervised.books.refusals[task_id, "refund"] = 1
    await supervised.begin(task_id, Wanted(hold="before pivot"))
    await supervised.did(task_id, "charge")
    await supervised.terminate(task_id)
    await supervised.reaches(task_id, Stage.NEEDS_OPERATOR)
    supervisor = supervised.supervisor(task_id)
    assert [entry.name for entry in (await supervisor.timeline()).for_operator] == ["shop.charge"]
    await supervisor.operator(OperatorDecision(step="shop.charge", action="retry", by="olga"))

    failure = await supervised.failure(task_id)

    assert [step.step for step in failure.undone] == ["shop.reserve", "shop.charge"]
    assert supervised.books.of(task_id) == []


async def test_terminated_while_it_undoes(supervised: Supervised) -> None:
    """What was undone already is not undone again; what was being undone is."""
    task_id, gate = supervised.new_id(), Gate()
    supervised.books.gates[task_id, "release"] = gate
    handle = await supervised.begin(task_id, Wanted(hold="before pivot"))
    await supervised.did(task_id, "charge")
    await handle.cancel()
    await gate.reached()
    await supervised.terminate(task_id)
    gate.open()

    failure = await supervised.failure(task_id)

    assert [step.step for step in failure.undone] == ["shop.reserve"]
    assert supervised.books.done_for(task_id).count("refund") == 1
    assert supervised.books.of(task_id) == []


async def test_nobody_hosts_the_supervisor_while_the_task_ends(unhosted: Supervised) -> None:
    task_id = unhosted.new_id()
    async with unhosted.hosted():
        await unhosted.begin(task_id, Wanted(hold="before pivot"))
        await unhosted.did(task_id, "charge")
    await unhosted.terminate(task_id)
    assert unhosted.books.of(task_id) == ["reserve", "charge"]

    async with unhosted.hosted():
        failure = await unhosted.failure(task_id)

    assert [step.step for step in failure.undone] == ["shop.charge", "shop.reserve"]
    assert unhosted.books.of(task_id) == []


async def test_another_input_under_an_id_that_is_being_started_is_refused(unhosted: Supervised) -> None:
    task_id = unhosted.new_id()
    with pytest.raises(Refused, match="has not begun") as caught:
        await unhosted.begin(task_id, Wanted(what="book"))
    assert caught.value.reason == "NoAnswer"
    other = asyncio.create_task(unhosted.begin(task_id, Wanted(what="lamp")))
    async with unhosted.hosted():
        with pytest.raises(TaskConflict):
            await other
        again = await unhosted.begin(task_id, Wanted(what="book"))
        assert again.found
        await again.result()


async def test_the_supervisors_process_is_killed_while_it_undoes(unhosted: Supervised) -> None:
    """Another goes on where it was: what was undone is not undone again."""
    task_id, gate = unhosted.new_id(), Gate()
    unhosted.books.gates[task_id, "release"] = gate
    address = unhosted.client.temporal.service_client.config.target_host
    command = [sys.executable, "-m", "tests.supervision.host", address]
    host = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    try:
        await unhosted.begin(task_id, Wanted(hold="before pivot"))
        await unhosted.did(task_id, "charge")
        await unhosted.terminate(task_id)
        await gate.reached()
    finally:
        host.kill()
        await host.wait()
    gate.open()

    async with unhosted.hosted():
        failure = await unhosted.failure(task_id)

    assert [step.step for step in failure.undone] == ["shop.charge", "shop.reserve"]
    assert unhosted.books.done_for(task_id).count("refund") == 1
    assert unhosted.books.of(task_id) == []


async def test_not_inline(supervised: Supervised) -> None:
    with pytest.raises(InvalidInput, match="inline"):
        await supervised.client.start(shop.buy, Wanted(), id="x", supervised=True, inline=True)


async def test_an_id_that_another_task_has(supervised: Supervised) -> None:
    task_id = supervised.new_id()
    plain = await supervised.client.start(shop.buy, Wanted(), id=task_id)
    found = await supervised.begin(task_id, Wanted())
    assert found.found
    with pytest.raises(TaskConflict):
        await supervised.begin(task_id, Wanted(what="other"))
    await plain.result()
    described = await supervised.client.temporal.get_workflow_handle(task_id).describe()
    assert described.status is WorkflowExecutionStatus.COMPLETED


async def test_an_id_that_leaves_the_supervisor_none(supervised: Supervised) -> None:
    task_id = supervised.new_id()
    plain = await supervised.client.start(shop.buy, Wanted(), id=f"{task_id}.supervisor")
    with pytest.raises(TaskConflict, match=f"{task_id}.supervisor, which belongs to a task of type"):
        await supervised.begin(task_id, Wanted())
    await plain.result()
