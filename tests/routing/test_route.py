"""A task that routes, on a real server with real workers."""

from __future__ import annotations

import itertools

import pytest

from sagamesh.errors import TaskFailed
from sagamesh.routing import Need
from sagamesh.testing import served
from tests.routing.conftest import Depots
from tests.support.zones import EU, US, Asked, reserve, routed

pytestmark = pytest.mark.asyncio(loop_scope="module")
_ids = (f"routed-{n}" for n in itertools.count())


def need(**more: object) -> Need:
    return Need.model_validate({"capability": reserve.type, **more})


async def test_the_nearest_zone_serves_step_and_undo(depots: Depots) -> None:
    async with served(depots.temporal, depots.pool(EU), depots.pool(US)):
        handle = await depots.client.start(
            routed, Asked(need=need(zones=["us", "eu"]), fails=True, wait_seconds=30), id=next(_ids)
        )
        with pytest.raises(TaskFailed) as caught:
            await handle.result()
    assert caught.value.failure.type == "SoldOut"
    assert depots.log == [
        ("reserve", "depot.us", "depot.reserve"),
        ("release", "depot.us", "depot.reserve"),
    ]
