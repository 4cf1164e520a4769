"""Calls that meet workers of another version, on a real server."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.api.history.v1 import HistoryEvent
from temporalio.worker import Worker

from sagamesh import Agent, Client, Mesh, Pool, SagameshPlugin, TaskHandle
from sagamesh.attributes import STATUS
from sagamesh.capability import kept_queue
from sagamesh.compatibility import VERSION
from sagamesh.errors import TaskFailed
from sagamesh.failure import Failure
from sagamesh.replay import fingerprint_of, replay
from sagamesh.results import ResultStore
from sagamesh.status import OperatorDecision, Stage, StepState
from sagamesh.testing import dev_server, served
from tests.compatibility.keeper import CATALOGUES, SHELVES, Books, Foreign, Keeping, Kept, Wish, keeping
from tests.support.engine import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

_number = itertools.count()
_PLUGIN = SagameshPlugin(passthrough=("tests",))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[Client]:
    async with dev_server(_PLUGIN) as environment:
        yield Client(environment.client)


@pytest.fixture
def books() -> Books:
    return Books()


def _serving(client: Client, pool: Pool, *, inline: bool = False) -> AbstractAsyncContextManager[None]:
    """This agent's pool, and who hosts the tasks."""
    hosting = Pool(keeping.queue, grace=timedelta(0)).host(keeping, Keeping)
    return served(client.temporal, pool, hosting, mesh=Mesh(CATALOGUES["1.4.0"]), inline=inline)


async def _begun(client: Client, wish: Wish, *, inline: bool = False) -> TaskHandle[Kept]:
    return await client.start(keeping, wish, id=f"k-{next(_number)}", inline=inline)


async def _failure(handle: TaskHandle[Kept]) -> Failure:
    with pytest.raises(TaskFailed) as caught:
        await handle.result()
    return caught.value.failure


async def _events(client: Client, handle: TaskHandle[Kept], kind: str) -> list[HistoryEvent]:
    history = await client.temporal.get_workflow_handle(handle.id).fetch_history()
    return [
        event for event in history.events if event.WhichOneof("attributes") == f"activity_task_{kind}_event_attributes"
    ]


async def _attempts(client: Client, handle: TaskHandle[Kept]) -> list[int]:
    started = await _events(client, handle, "started")
    return [event.activity_task_started_event_attributes.attempt for event in started]


def _refused_by(client: Client, handle: TaskHandle[Kept], *, attempts: int) -> Callable[[], Awaitable[bool]]:
    """Whether a call that is under way has been refused for its version so often."""

    async def so() -> bool:
        described = (await client.temporal.get_workflow_handle(handle.id).describe()).raw_description
        return any(
            call.last_failure.application_failure_info.type == "IncompatibleVersion" and call.attempt > attempts
            for call in described.pending_activities
        )

    return so


def _reached(client: Client, handle: TaskHandle[Kept], stage: Stage) -> Callable[[], Awaitable[bool]]:
    """Whether a task is at a stage and at rest there, as the server knows it."""

    async def so() -> bool:
        described = await client.temporal.get_workflow_handle(handle.id).describe()
        at_rest = not described.raw_description.HasField("pending_workflow_task")
        return at_rest and described.typed_search_attributes.get(STATUS) == stage

    return so


@pytest.mark.parametrize(("serves", "wanted"), [("2.0.0", "1.4.0"), ("1.4.0", "2.0.0")])
async def test_another_major_is_final(client: Client, books: Books, serves: str, wanted: str) -> None:
    async with _serving(client, books.pool(serves)):
        handle = await _begun(client, Wish(version=wanted))
        failure = await _failure(handle)
    assert (failure.type, failure.step) == ("IncompatibleVersion", "keeper.put")
    assert failure.details == {"agent": "keeper", "serves": serves, "wanted": wanted}
    assert f"keeper is version {serves} here, the caller was built against {wanted}" in failure.message
    assert await _attempts(client, handle) == [1]
    assert books.done == []


async def test_another_major_is_final_on_the_spot(client: Client, books: Books) -> None:
    async with _serving(client, books.pool("2.0.0"), inline=True):
        handle = await _begun(client, Wish(version="1.4.0"), inline=True)
        failure = await _failure(handle)
        served_here = await (await _begun(client, Wish(version="2.0.0"), inline=True)).result()
    assert (failure.type, failure.step) == ("IncompatibleVersion", "keeper.put")
    assert failure.details == {"agent": "keeper", "serves": "2.0.0", "wanted": "1.4.0"}
    assert await _events(client, handle, "scheduled") == []
    assert (served_here, books.done) == (Kept(by="2.0.0"), ["put"])


async def test_an_older_one_of_the_same_major_is_tried_again_as_the_policy_says(client: Client, books: Books) -> None:
    async with _serving(client, books.pool("1.3.0")):
        handle = await _begun(client, Wish(version="1.4.0"))
        failure = await _failure(handle)
    assert (failure.type, failure.details["serves"]) == ("IncompatibleVersion", "1.3.0")
    assert await _attempts(client, handle) == [2]
    assert books.done == []


async def test_an_older_one_on_the_spot_is_tried_again_on_the_queue(client: Client, books: Books) -> None:
    async with _serving(client, books.pool("1.3.0"), inline=True):
        handle = await _begun(client, Wish(version="1.4.0"), inline=True)
        failure = await _failure(handle)
    assert failure.type == "IncompatibleVersion"
    assert await _attempts(client, handle) == [1]
    assert books.done == []


async def test_a_newer_worker_takes_what_an_older_one_refused(client: Client, books: Books) -> None:
    async with _serving(client, books.pool("1.3.0")):
        handle = await _begun(client, Wish(version="1.4.0", call="hold"))
        await eventually(_refused_by(client, handle, attempts=1))
    async with _serving(client, books.pool("1.5.0")):
        assert await handle.result() == Kept(by="1.5.0")
    assert books.done == ["hold"]


async def test_so_does_one_that_has_a_capability_which_the_older_one_lacks(client: Client, books: Books) -> None:
    old = Agent("keeper", version="1.3.0")
    known = old.capability("known", takes=Wish, returns=Kept)

    async def serve(wish: Wish) -> Kept:
        return Kept(by="old")

    async with _serving(client, Pool(old).serve(known, serve)):
        handle = await _begun(client, Wish(version="1.4.0", call="hold"))
        await eventually(_refused_by(client, handle, attempts=1))
    async with _serving(client, books.pool("1.4.0")):
        assert await handle.result() == Kept(by="1.4.0")


async def test_a_breaker_learns_nothing_of_it_and_its_attempts_have_an_end(client: Client, books: Books) -> None:
    async with _serving(client, books.pool("1.3.0")):
        handle = await _begun(client, Wish(version="1.4.0", call="fragile"))
        assert (await _failure(handle)).type == "IncompatibleVersion"
        assert await _attempts(client, handle) == [2]
        async with asyncio.timeout(60):  # an open breaker would hold it for an hour
            assert await (await _begun(client, Wish(version="1.3.0", call="fragile"))).result() == Kept(by="1.3.0")


async def test_what_looks_for_earlier_results_refuses_too(client: Client, tmp_path: Path) -> None:
    """Nobody serves the capability itself, so its callers ask for an earlier result, which is this version's."""
    look = SHELVES["2.0.0"].find("look")

    async def serve(wish: Wish) -> Kept:
        return Kept(by="2.0.0")

    async def answer(wanted: str) -> str:
        handle = await _begun(client, Wish(version=wanted, call="look"))
        assert (await _failure(handle)).step == "shelf.look"
        (refused,) = await _events(client, handle, "failed")
        return refused.activity_task_failed_event_attributes.failure.application_failure_info.type

    async with ResultStore.open(f"sqlite:///{tmp_path}/results.db") as results:
        pool = Pool(SHELVES["2.0.0"], results=results).serve(look, serve)
        (kept,) = [worker for worker in pool.workers(client.temporal) if worker.task_queue == kept_queue("shelf")]
        async with kept, served(client.temporal, Pool(keeping.queue).host(keeping, Keeping)):
            assert await answer("1.4.0") == "IncompatibleVersion"
            assert await answer("2.0.0") == "NothingKept"


@pytest.mark.parametrize(("serves", "wanted"), [("1.5.0", "1.4.0"), ("blue", "1.4.0"), ("2.0.0", "blue")])
async def test_what_is_newer_or_cannot_be_compared_is_served(
    client: Client, books: Books, serves: str, wanted: str
) -> None:
    async with _serving(client, books.pool(serves)):
        assert await (await _begun(client, Wish(version=wanted))).result() == Kept(by=serves)


async def test_a_replay_compares_no_versions(client: Client, books: Books) -> None:
    async with _serving(client, books.pool("1.4.0")):
        handle = await _begun(client, Wish(version="1.4.0"))
        await handle.result()
    history = await client.temporal.get_workflow_handle(handle.id).fetch_history()
    (call,) = [event for event in history.events if event.HasField("activity_task_scheduled_event_attributes")]
    headers = call.activity_task_scheduled_event_attributes.header.fields
    found = []
    for change in (b"1.4.0", b"1.3.0", None):
        if change is None:
            del headers[VERSION]
        else:
            headers[VERSION].data = change
        (verdict,) = await replay([history], workflows=[Keeping], plugin=_PLUGIN)
        found.append((verdict.problems, await fingerprint_of(history)))
    assert found == [((), found[0][1])] * 3


async def test_a_call_that_says_no_version_is_served(client: Client, books: Books) -> None:
    async with (
        _serving(client, books.pool("2.0.0")),
        Worker(client.temporal, task_queue="foreign", workflows=[Foreign]),
    ):
        wish = Wish(version="1.4.0").model_dump(mode="json")
        found = await client.temporal.execute_workflow(Foreign.run, wish, id=f"f-{next(_number)}", task_queue="foreign")
    assert (found["by"], books.done) == ("2.0.0", ["put"])


async def test_an_undo_that_is_refused_waits_for_an_operator(client: Client, books: Books) -> None:
    hosting = Pool(keeping.queue, grace=timedelta(0)).host(keeping, Keeping)
    async with served(client.temporal, hosting):
        async with served(client.temporal, books.pool("1.4.0")):
            handle = await _begun(client, Wish(version="1.4.0", undo=True, ask=True))
            await eventually(_reached(client, handle, Stage.AWAITING_APPROVAL))
        async with served(client.temporal, books.pool("2.0.0")):
            await handle.reject(by="grace", reason="no")
            await eventually(_reached(client, handle, Stage.NEEDS_OPERATOR))
        (step,) = (await handle.status()).steps
        assert (step.state, step.failure and step.failure.type) == (StepState.UNDO_FAILED, "IncompatibleVersion")
        assert books.done == ["put"]

        async with served(client.temporal, books.pool("1.4.0")):
            decision = OperatorDecision(step="keeper.put", action="retry", by="olga", reason="1.4.0 is back")
            await handle.operator(decision)
            failure = await _failure(handle)
    assert [str(undone) for undone in failure.undone] == ["keeper.put undone"]
    assert books.done == ["put", "undo put"]
    headers = [
        event.activity_task_scheduled_event_attributes.header.fields[VERSION].data
        for event in await _events(client, handle, "scheduled")
    ]
    assert headers == [b"1.4.0"] * 3
