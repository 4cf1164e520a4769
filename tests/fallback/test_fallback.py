"""What a task gets when an agent has no answer, on a real server."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.exceptions import ApplicationError

from sagamesh import BusinessError, Client, Message, Pool, SagameshPlugin
from sagamesh.capability import kept_type
from sagamesh.errors import TaskCancelled, TaskFailed, Unserved
from sagamesh.results import ResultStore, last_key
from sagamesh.testing import dev_server, served
from tests.fallback.catalog import (
    Found,
    LookUp,
    LookUpAlone,
    NotUndone,
    Price,
    Wanted,
    backup,
    catalog,
    guarded,
    look_up,
    look_up_alone,
    mirror,
    not_undone,
    plain,
    price,
)
from tests.support.engine import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

_number = itertools.count()


class Gone(BusinessError):
    """It is sold no more."""


class _Called(ApplicationError):
    """Notes that it was raised."""

    def __init__(self, seen: list[str], sku: str) -> None:
        self.seen, self.sku = seen, sku
        super().__init__(sku)


@dataclass
class Answers:
    """What the providers answer, by SKU; an exception is raised. Each list serves one call after the other."""

    catalog: dict[str, list[Any]] = field(default_factory=dict)
    mirror: dict[str, list[Any]] = field(default_factory=dict)
    results: ResultStore | None = None

    async def price(self, wanted: Wanted) -> Price:
        return self._next(self.catalog, wanted)

    async def backup(self, wanted: Wanted) -> Price:
        return self._next(self.mirror, wanted)

    @staticmethod
    def _next(known: dict[str, list[Any]], wanted: Wanted) -> Price:
        answers = known.get(wanted.sku) or [ApplicationError("unreachable", type="Down")]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, _Called):
            answer.seen.append(answer.sku)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Price)
        return answer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[Client]:
    async with dev_server(SagameshPlugin(passthrough=("tests",))) as server:
        yield Client(server.client)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def answers(client: Client, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Answers]:
    made = Answers()
    url = f"sqlite:///{tmp_path_factory.mktemp('results') / 'results.db'}"
    async with (
        ResultStore.open(url) as results,
        served(
            client.temporal,
            Pool(catalog, results=results).serve(price, made.price).serve(plain, made.price).serve(guarded, made.price),
            Pool(mirror).serve(backup, made.backup),
            Pool(look_up.queue).host(look_up, LookUp).host(not_undone, NotUndone),
        ),
    ):
        made.results = results
        yield made


async def _found(client: Client, sku: str) -> Found:
    handle = await client.start(look_up, Wanted(sku=sku), id=f"look-{next(_number)}")
    return await handle.result()


async def test_an_answer_is_no_degraded_one(client: Client, answers: Answers) -> None:
    answers.catalog["a"] = [Price(cents=100)]
    assert await _found(client, "a") == Found(price=Price(cents=100), shown="")


async def test_a_failure_that_passes_is_retried_before_anything_else(client: Client, answers: Answers) -> None:
    answers.catalog["b"] = [ApplicationError("busy", type="Down"), Price(cents=100)]
    assert (await _found(client, "b")).price.degraded is None


async def test_the_next_provider_answers_and_the_result_says_so(client: Client, answers: Answers) -> None:
    answers.mirror["c"] = [Price(cents=90)]
    found = await _found(client, "c")
    why = found.price.degraded
    assert (found.price.cents, why and (why.by, why.type, why.because)) == (90, ("mirror.price", "Down", "unreachable"))
    assert found.shown == "degraded: by mirror.price, because of Down: unreachable"


async def test_then_the_last_result_with_its_age(client: Client, answers: Answers) -> None:
    answers.catalog["d"] = [Price(cents=80), ApplicationError("unreachable", type="Down")]
    assert (await _found(client, "d")).price.degraded is None
    found = await _found(client, "d")
    why = found.price.degraded
    assert (found.price.cents, why and why.by) == (80, "kept")
    assert why is not None
    assert why.age_seconds is not None
    assert why.age_seconds >= 0


class _Older(Message):
    """A price as an earlier version of the contract had it."""

    euros: int = 5


async def test_a_kept_result_of_another_contract_is_none(client: Client, answers: Answers) -> None:
    assert answers.results is not None
    wanted = Wanted(sku="older")
    await answers.results.put(last_key(price, wanted), wanted, _Older(), timedelta(hours=1))
    found = await _found(client, "older")
    assert (found.price.cents, found.price.degraded and found.price.degraded.by) == (0, "default")


async def test_then_the_default(client: Client, answers: Answers) -> None:
    found = await _found(client, "nobody knows it")
    assert (found.price.cents, found.price.degraded and found.price.degraded.by) == (0, "default")


async def test_an_undo_that_falls_back_has_undone_nothing_and_is_refused(client: Client, answers: Answers) -> None:
    seen: list[str] = []
    answers.mirror["f"] = [_Called(seen, "f")]
    handle = await client.start(not_undone, Wanted(sku="f"), id=f"look-{next(_number)}")
    with pytest.raises(TaskFailed, match=r"catalog\.plain undoes mirror\.price and has a fallback") as caught:
        await handle.result()
    assert (caught.value.failure.type, seen) == ("DefinitionError", [])


async def test_a_refusal_is_an_answer(client: Client, answers: Answers) -> None:
    answers.catalog["e"] = [Gone("sold no more")]
    answers.mirror["e"] = [Price(cents=70)]
    with pytest.raises(TaskFailed) as caught:
        await _found(client, "e")
    assert caught.value.failure.type == "Gone"


async def test_when_nothing_is_left_the_first_failure_counts(client: Client, answers: Answers) -> None:
    answers.catalog["plain"] = [ApplicationError("the catalog is down", type="Down")]
    answers.mirror["plain"] = [ApplicationError("the mirror is down", type="MirrorDown")]
    with pytest.raises(TaskFailed) as caught:
        await _found(client, "plain")
    assert (caught.value.failure.type, caught.value.failure.step) == ("Down", "catalog.plain")


async def test_a_refusal_by_the_next_provider_is_an_answer_too(client: Client, answers: Answers) -> None:
    answers.mirror["plain gone"] = [Gone("sold no more")]
    with pytest.raises(TaskFailed) as caught:
        await _found(client, "plain gone")
    assert caught.value.failure.type == "Gone"


async def test_once_the_breaker_is_open_nobody_waits_and_nothing_is_called(client: Client, answers: Answers) -> None:
    seen: list[str] = []

    async def found(sku: str) -> str:
        why = (await _found(client, sku)).price.degraded
        assert why is not None
        return why.type

    # Three failures open it: the third attempt of the first task. The error that opens it degrades that task at once.
    answers.catalog["guarded 1"] = [ApplicationError("unreachable", type="Down")]
    assert await found("guarded 1") == "Down"
    for number in range(2, 5):
        sku = f"guarded {number}"
        answers.catalog[sku] = [_Called(seen, sku)]
        # Refused by the worker, or not even handed to one, because the queue is held.
        assert await found(sku) in ("BreakerOpen", "TimeoutError")
    assert seen == []


async def test_with_nobody_alive_the_caller_degrades_without_a_call() -> None:
    async with (
        dev_server(SagameshPlugin(passthrough=("tests",))) as server,
        served(server.client, Pool(look_up.queue).host(look_up, LookUp)),
    ):
        found = await _found(Client(server.client), "alone")
    why = found.price.degraded
    assert (found.price.cents, why and (why.by, why.type)) == (0, ("default", "TimeoutError"))


async def test_a_cancel_while_an_earlier_result_is_looked_for_is_one() -> None:
    async with (
        dev_server(SagameshPlugin(passthrough=("tests",))) as server,
        served(server.client, Pool(look_up_alone.queue).host(look_up_alone, LookUpAlone)),
    ):
        handle = await Client(server.client).start(look_up_alone, Wanted(sku="alone"), id="alone")

        async def looks() -> bool:
            pending = (await server.client.get_workflow_handle("alone").describe()).raw_description.pending_activities
            return [call.activity_type.name for call in pending] == [kept_type(price.type)]

        await eventually(looks)
        await handle.cancel()
        with pytest.raises(TaskCancelled):
            await handle.result()


async def test_a_pool_that_must_keep_results_needs_a_store(tmp_path: Path) -> None:
    pool = Pool(catalog).serve(price, Answers().price).serve(plain, Answers().price).serve(guarded, Answers().price)
    with pytest.raises(Unserved, match=r"catalog\.price keeps results: give the pool a store"):
        pool.check()
