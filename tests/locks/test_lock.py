"""Locks on a real server."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.common import WorkflowIDConflictPolicy

from sagamesh import Client, Task
from sagamesh.errors import TaskCancelled, TaskFailed
from sagamesh.handle import TaskHandle
from sagamesh.locks.errors import LockLost
from sagamesh.locks.grants import Grants
from sagamesh.locks.held import Held
from sagamesh.locks.messages import LEAVE, LOCK, REQUEST, Grant, LockStatus, Waiter, lock_id
from sagamesh.system_queue import SYSTEM_QUEUE
from tests.locks import tasks
from tests.locks.conftest import Place
from tests.locks.tasks import Seen, Turn
from tests.support.engine import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

_counter = itertools.count()

CONTENDERS = int(os.environ.get("SAGAMESH_TEST_CONTENDERS", "100"))
"""Tasks that want one lock at once. Hundreds take half a minute; a hundred are ten times what an update could queue."""


def new(word: str) -> str:
    """A name that no other test uses."""
    return f"{word}-{next(_counter)}"


async def start(
    client: Client, task: Task[Turn, Seen], turn: Turn, *, replayed: bool = False, id: str = ""
) -> TaskHandle[Seen]:
    """Start a task."""
    hosted = replace(task, queue="turns.replayed") if replayed else task
    return await client.start(hosted, turn, id=id or new("visit"))


async def reset(client: Client, task_id: str, *, turn: int) -> None:
    """Reset a running task to that turn of its code, as an operator may."""
    handle = client.temporal.get_workflow_handle(task_id)
    described = await handle.describe()
    turns = [
        event.event_id
        async for event in handle.fetch_history_events()
        if event.HasField("workflow_task_completed_event_attributes")
    ]
    await client.temporal.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.temporal.namespace,
            workflow_execution=WorkflowExecution(workflow_id=task_id, run_id=described.run_id),
            workflow_task_finish_event_id=turns[turn],
            request_id=f"reset {task_id}",
            reason="the test says so",
        )
    )


async def status(client: Client, name: str) -> LockStatus:
    """How a lock stands."""
    found: LockStatus = await client.temporal.get_workflow_handle(lock_id(name)).query("status", result_type=LockStatus)
    return found


async def held_by(client: Client, name: str, task_id: str) -> None:
    """Wait until a task holds a lock."""

    async def so() -> bool:
        running = (await client.temporal.count_workflows(f"WorkflowId = '{lock_id(name)}'")).count
        holder = (await status(client, name)).holder if running else None
        return holder is not None and holder.task_id == task_id

    await eventually(so)


async def waits(client: Client, name: str, task_id: str) -> None:
    """Wait until a task waits for a lock."""

    async def so() -> bool:
        return task_id in {waiter.task_id for waiter in (await status(client, name)).waiting}

    await eventually(so)


async def left_alone(client: Client, name: str) -> None:
    """Wait until a lock was granted and given back."""

    async def so() -> bool:
        if not (await client.temporal.count_workflows(f"WorkflowId = '{lock_id(name)}'")).count:
            return False
        found = await status(client, name)
        return found.fence > 0 and found.holder is None

    await eventually(so)


def alone(visits: list[tuple[str, str, int]]) -> None:
    """Nobody was there with another, and each fence was larger than the one before."""
    for (who, what, fence), (then, left, same) in zip(visits[::2], visits[1::2], strict=True):
        assert (what, left, then, same) == ("enters", "leaves", who, fence)
    fences = [fence for _, what, fence in visits if what == "enters"]
    assert fences == sorted(set(fences))


async def test_a_crowd_contends(contended: Client, place: Place) -> None:
    """All get it, one at a time, in the order of their requests, while the lock continues as new again and again."""
    name, many = new("crowd"), CONTENDERS
    handles = await asyncio.gather(
        *(
            start(contended, tasks.Visit.task, Turn(name=name, wait_seconds=None, lease_seconds=120))
            for _ in range(many)
        )
    )
    began = time.monotonic()
    results = await asyncio.gather(*(handle.result() for handle in handles))
    took = time.monotonic() - began

    visits = place.visits()
    alone(visits)
    assert len(visits) == 2 * many
    assert sorted(fence for seen in results for fence in seen.fences) == [
        f for _, what, f in visits if what == "enters"
    ]
    asked = []
    runs = 0
    async for execution in contended.temporal.list_workflows(f"WorkflowId = '{lock_id(name)}'"):
        runs += 1
        handle = contended.temporal.get_workflow_handle(execution.id, run_id=execution.run_id)
        arrived = []
        async for event in handle.fetch_history_events():
            told = event.workflow_execution_signaled_event_attributes
            if told.signal_name == "sagamesh.lock.request":
                arrived.append(told.input.payloads[0].data.decode())
        asked.append((execution.start_time, arrived))
    print(f"{many} tasks, one lock: {many / took:.1f} grants/s, {runs} runs of the lock")
    order = [data for _, arrived in sorted(asked) for data in arrived]
    entered = [who for who, what, _ in visits if what == "enters"]
    assert [next(who for who in entered if f'"{who}"' in data) for data in order] == entered
    assert runs > 2


@pytest.fixture(params=[False, True], ids=["cached", "replayed"])
def replayed(request: pytest.FixtureRequest) -> bool:
    """Whether the tasks' worker keeps none in memory, and so replays each from the beginning for every step."""
    return bool(request.param)


async def test_a_saga_inside_the_block_is_undone_before_the_next_one_gets_the_lock(
    contended: Client, place: Place, replayed: bool
) -> None:
    name, many = new("undone"), 5
    handles = await asyncio.gather(
        *(start(contended, tasks.Undone.task, Turn(name=name), replayed=replayed) for _ in range(many))
    )
    for handle in handles:
        with pytest.raises(TaskFailed) as caught:
            await handle.result()
        assert [each.step for each in caught.value.failure.undone] == ["place.enter"]
    visits = place.visits()
    assert len(visits) == 2 * many
    alone(visits)


async def test_a_holder_that_is_terminated_is_succeeded_after_its_lease(
    contended: Client, place: Place, replayed: bool
) -> None:
    name = new("dead")
    holder = await start(contended, tasks.Holds.task, Turn(name=name, lease_seconds=2, hold=True), replayed=replayed)
    await held_by(contended, name, holder.id)
    until = (await status(contended, name)).holder
    waiter = await start(contended, tasks.Visit.task, Turn(name=name), replayed=replayed)
    await waits(contended, name, waiter.id)
    await contended.temporal.get_workflow_handle(holder.id).terminate("dead")

    seen = await waiter.result()

    assert until is not None
    assert until.fence < seen.fences[0]
    described = await contended.temporal.get_workflow_handle(waiter.id).describe()
    assert described.close_time is not None
    assert described.close_time >= until.until


async def test_whoever_has_ended_while_waiting_is_passed_over(contended: Client, place: Place) -> None:
    name = new("gone")
    holder = await start(contended, tasks.Holds.task, Turn(name=name, hold=True))
    await held_by(contended, name, holder.id)
    gone = await start(contended, tasks.Visit.task, Turn(name=name))
    await waits(contended, name, gone.id)
    patient = await start(contended, tasks.Visit.task, Turn(name=name))
    await waits(contended, name, patient.id)
    await contended.temporal.get_workflow_handle(gone.id).terminate("dead")
    await holder.cancel()

    await patient.result()

    assert [who for who, what, _ in place.visits() if what == "enters"] == [holder.id, patient.id]


async def test_a_cancel_while_waiting_leaves_the_queue(contended: Client, place: Place, replayed: bool) -> None:
    name = new("waits")
    holder = await start(contended, tasks.Holds.task, Turn(name=name, hold=True, saga=True), replayed=replayed)
    await held_by(contended, name, holder.id)
    waiter = await start(contended, tasks.Visit.task, Turn(name=name), replayed=replayed)
    await waits(contended, name, waiter.id)

    await waiter.cancel()
    with pytest.raises(TaskCancelled):
        await waiter.result()
    assert (await status(contended, name)).waiting == ()

    await holder.cancel()
    with pytest.raises(TaskCancelled):
        await holder.result()
    assert (await status(contended, name)).holder is None


async def test_a_cancel_while_a_lock_is_given_back_is_not_lost(contended: Client) -> None:
    """Wherever in its turns with the lock the request meets a task: half of the time it is giving it back."""
    handles = [await start(contended, tasks.Again.task, Turn(name=new("door"), times=200)) for _ in range(8)]
    for number, handle in enumerate(handles):
        visits = 3 * (number + 2)

        async def turned(handle: TaskHandle[Seen] = handle, visits: int = visits) -> bool:
            described = await contended.temporal.get_workflow_handle(handle.id).describe()
            return described.history_length > visits

        await eventually(turned)
        await handle.cancel()
    for handle in handles:
        with pytest.raises(TaskCancelled):
            await handle.result()


async def test_whose_lock_is_lost_already_is_told_so() -> None:
    with pytest.raises(LockLost, match="fence 7"):
        Held("door", Grant(lock="door", request="r", fence=7), timedelta(seconds=30), Grants())


async def test_a_cancel_before_anybody_serves_the_request(contended: Client) -> None:
    """The request may be on its way: the task ends as cancelled, and the lock is free for others."""
    name = new("early")
    for _ in range(5):
        handle = await start(contended, tasks.Visit.task, Turn(name=name))
        await contended.temporal.get_workflow_handle(handle.id).cancel()
        with pytest.raises(TaskCancelled):
            await handle.result()
    other = await start(contended, tasks.Visit.task, Turn(name=name, wait_seconds=20))
    await other.result()


async def test_not_granted_in_time(contended: Client, replayed: bool) -> None:
    name = new("busy")
    holder = await start(contended, tasks.Holds.task, Turn(name=name, hold=True), replayed=replayed)
    await held_by(contended, name, holder.id)

    caught = await start(contended, tasks.Impatient.task, Turn(name=name, wait_seconds=0.5), replayed=replayed)
    uncaught = await start(contended, tasks.Visit.task, Turn(name=name, wait_seconds=0.5), replayed=replayed)
    assert (await caught.result()).note == "LockTimeout"
    with pytest.raises(TaskFailed, match="was not granted within") as failed:
        await uncaught.result()

    assert (failed.value.failure.type, failed.value.failure.details) == ("LockTimeout", {"lock": name})
    assert (await status(contended, name)).waiting == ()
    await holder.cancel()


async def test_a_renewed_lease_outlives_its_first_end(contended: Client, replayed: bool) -> None:
    name = new("renewed")
    turn = Turn(name=name, lease_seconds=3, hold_seconds=1, renewals=3)
    holder = await start(contended, tasks.Holds.task, turn, replayed=replayed)
    await held_by(contended, name, holder.id)
    waiter = await start(contended, tasks.Visit.task, Turn(name=name), replayed=replayed)

    seen = await holder.result()

    assert seen.note == "kept"
    assert (await waiter.result()).fences[0] > seen.fences[0]


async def test_a_holder_that_comes_back_late_knows_that_it_lost(contended: Client, replayed: bool) -> None:
    name = new("late")
    turn = Turn(name=name, lease_seconds=1, hold_seconds=1.5)
    holder = await start(contended, tasks.Holds.task, turn, replayed=replayed)
    await held_by(contended, name, holder.id)
    waiter = await start(contended, tasks.Visit.task, Turn(name=name), replayed=replayed)

    assert (await holder.result()).note == "lost, LockLost"
    assert (await waiter.result()).fences[0] > (await holder.result()).fences[0]


async def test_a_leader_renews_by_itself_and_is_succeeded(contended: Client, place: Place) -> None:
    name = new("report")
    first = await start(
        contended, tasks.Leads.task, Turn(name=name, lease_seconds=1.5, hold=True, wait_seconds=None), replayed=True
    )
    await held_by(contended, f"leader:{name}", first.id)
    second = await start(
        contended,
        tasks.Leads.task,
        Turn(name=name, lease_seconds=1.5, hold_seconds=2, wait_seconds=None),
        replayed=True,
    )
    await waits(contended, f"leader:{name}", second.id)
    await asyncio.sleep(2)
    await held_by(contended, f"leader:{name}", first.id)
    await contended.temporal.get_workflow_handle(first.id).terminate("dead")

    assert (await second.result()).note == "kept"
    assert [who for who, what, _ in place.visits() if what == "enters"] == [first.id, second.id]
    alone(place.visits()[1:])


async def test_two_locks_side_by_side(contended: Client, replayed: bool) -> None:
    name = new("both")
    handles = [await start(contended, tasks.Both.task, Turn(name=name), replayed=replayed) for _ in range(3)]
    for handle in handles:
        assert len((await handle.result()).fences) == 2


async def test_a_request_that_comes_twice_is_one(contended: Client) -> None:
    name = new("twice")
    holder = await start(contended, tasks.Holds.task, Turn(name=name, hold=True))
    await held_by(contended, name, holder.id)
    waiter = await start(contended, tasks.Visit.task, Turn(name=name))
    await waits(contended, name, waiter.id)
    keeper = contended.temporal.get_workflow_handle(lock_id(name))
    before = await status(contended, name)
    for known in before.waiting:
        await keeper.signal(REQUEST, known)
    assert (await status(contended, name)).waiting == before.waiting
    await keeper.signal(LEAVE, "nobody's")
    await holder.cancel()
    await waiter.result()


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "ended"])
async def test_a_request_that_comes_after_its_block_is_given_back(
    contended: Client, replayed: bool, kept: bool
) -> None:
    """An attempt that was given up may still arrive; the task runs on, and nobody in it waits for the lock."""
    name = new("ghost")
    left = await start(contended, tasks.Left.task, Turn(name=name), replayed=replayed)
    await left_alone(contended, name)
    if not kept:
        await contended.temporal.get_workflow_handle(lock_id(name)).terminate("it has ended long since")
    run_id = (await contended.temporal.get_workflow_handle(left.id).describe()).run_id
    late = Waiter(request=f"{left.id}/{run_id}/lock:{name}", task_id=left.id, lease_seconds=60, since=datetime.now(UTC))
    await contended.temporal.start_workflow(
        LOCK,
        LockStatus(name=name),
        id=lock_id(name),
        task_queue=SYSTEM_QUEUE,
        start_signal=REQUEST,
        start_signal_args=[late],
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )

    await (await start(contended, tasks.Visit.task, Turn(name=name, wait_seconds=20))).result()

    given_back = [
        event
        async for event in contended.temporal.get_workflow_handle(left.id).fetch_history_events()
        if event.HasField("signal_external_workflow_execution_initiated_event_attributes")
    ]
    assert len(given_back) == 2
    await left.cancel()


async def test_a_lock_that_was_ended_by_hand_goes_on_with_larger_fences(contended: Client) -> None:
    name = new("ended")
    first = await (await start(contended, tasks.Visit.task, Turn(name=name, times=3))).result()
    await contended.temporal.get_workflow_handle(lock_id(name)).terminate("by hand")
    second = await (await start(contended, tasks.Visit.task, Turn(name=name))).result()
    assert [*first.fences, *second.fences] == sorted({*first.fences, *second.fences})


@pytest.mark.parametrize("turn", [0, -1], ids=["before it asked", "after"])
async def test_a_task_that_was_reset_while_it_waited_waits_on(contended: Client, turn: int) -> None:
    """Before it asked it asks again, and gives back what the run before is granted."""
    name = new("reset")
    holder = await start(contended, tasks.Holds.task, Turn(name=name, hold=True))
    await held_by(contended, name, holder.id)
    waiter = await start(contended, tasks.Visit.task, Turn(name=name, wait_seconds=30, lease_seconds=120))
    await waits(contended, name, waiter.id)
    await reset(contended, waiter.id, turn=turn)
    await holder.cancel()
    found = contended.handle(tasks.Visit.task, waiter.id)
    assert (await found.result()).fences
