"""Negotiated calls: offers, bids, an award, and what happens when the winner dies."""

from __future__ import annotations

import itertools

import pytest

from sagamesh.routing import NegotiatedRequest, NegotiatedResult, negotiated
from sagamesh.testing import served
from tests.routing.conftest import Depots
from tests.support.zones import EU, US

pytestmark = pytest.mark.asyncio(loop_scope="module")
_ids = (f"negotiated-{n}" for n in itertools.count())


def request(**more: object) -> NegotiatedRequest:
    return NegotiatedRequest.model_validate(
        {"capability": "depot.reserve", "input": {"sku": "book"}, "wait_seconds": 60, **more}
    )


async def start(depots: Depots, asked: NegotiatedRequest) -> NegotiatedResult:
    return await (await depots.client.start(negotiated, asked, id=next(_ids))).result()


async def test_the_cheaper_bid_wins_and_the_other_is_told(depots: Depots) -> None:
    async with served(depots.temporal, depots.pool(EU), depots.pool(US)):
        result = await start(depots, request(weights={"load": 0, "latency": 0, "cost": 1}))
    assert result.queue == "depot.us"
    assert result.told == ("depot.eu",)
    assert [each.bid.cost for each in result.bids] == [1, 2]
    assert [each.score for each in result.bids] == [0.5, 1]
    assert depots.log == [("reserve", "depot.us", "depot.reserve")]


async def test_explained(depots: Depots) -> None:
    async with served(depots.temporal, depots.pool(EU), depots.pool(US)):
        handle = await depots.client.start(negotiated, request(), id="explained")
        await handle.result()
    [explained] = await handle.explain()
    assert explained.state == "decided"
    assert {each.bid.queue for each in explained.bids} == {"depot.eu", "depot.us"}
    assert [(award.queue, award.state) for award in explained.awards] == [("depot.us", "done")]
