"""Central calls: anyone who can start a task can have one routed."""

from __future__ import annotations

import itertools

import pytest

from sagamesh.errors import TaskFailed
from sagamesh.failure import Failure
from sagamesh.routing import CentralRequest, CentralResult, Reason, central
from sagamesh.testing import served
from tests.routing.conftest import Depots
from tests.support.zones import EU, US

pytestmark = pytest.mark.asyncio(loop_scope="module")
_ids = (f"central-{n}" for n in itertools.count())


def request(capability: str = "depot.reserve", **more: object) -> CentralRequest:
    return CentralRequest.model_validate({"capability": capability, "input": {"sku": "book"}, **more})


async def start(depots: Depots, asked: CentralRequest) -> CentralResult:
    return await (await depots.client.start(central, asked, id=next(_ids))).result()


async def failure(depots: Depots, asked: CentralRequest) -> Failure:
    with pytest.raises(TaskFailed) as caught:
        await start(depots, asked)
    return caught.value.failure


async def test_served_where_somebody_is_alive(depots: Depots) -> None:
    async with served(depots.temporal, depots.pool(US)):
        result = await start(depots, request(wait_seconds=30))
    assert (result.agent, result.queue) == ("depot", "depot.us")
    assert result.result == {"where": "depot.us", "key": "depot.reserve"}
    [dead] = result.decision.refused
    assert dead.candidate.queue == "depot.eu"
    assert [refusal.reason for refusal in dead.refusals] == [Reason.NOBODY_ALIVE]


async def test_an_input_that_nobody_takes_is_refused_with_its_fields_before_anything_happens(depots: Depots) -> None:
    async with served(depots.temporal, depots.pool(EU)):
        failed = await failure(depots, request(input={"sku": "book", "quantitty": 2}))
    assert failed.type == "InvalidInput"
    assert [(field.field, field.problem) for field in failed.fields] == [
        ("input.quantitty", "Extra inputs are not permitted")
    ]
    assert depots.log == []


async def test_a_capability_that_nobody_has(depots: Depots) -> None:
    failed = await failure(depots, request("depot.reserv"))
    assert failed.type == "UnknownName"
    assert failed.details == {"nearest": ["depot.reserve", "depot.release", "shed.reserve"]}
