"""A canary of an agent: its calls are judged, whoever made them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

import pytest

from sagamesh import Client
from sagamesh.deployments.judgement import Limits
from sagamesh.deployments.rollout import Ramp, ramp_out
from sagamesh.deployments.routing import set_current
from sagamesh.errors import Refused
from tests.deployments.parcels import COURIERS, PARCELS, Courier, hosting, serving
from tests.deployments.releasing import polled, seen, send, sending, start
from tests.support.script import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_canary_of_an_agent(post: Client) -> None:
    client, lines = post, list[str]()
    ramp = Ramp((50, 100), timedelta(seconds=0.2), Limits(least=3), timedelta(seconds=60))
    out = partial(ramp_out, client.temporal, COURIERS, tell=lines.append)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(5 * PATIENCE))
        await stack.enter_async_context(hosting(client.temporal, "v2"))
        await set_current(client.temporal, await polled(client, PARCELS, "v2"), "v2")
        for serves in (Courier("a"), Courier("b"), Courier("c", clumsy=True)):
            await stack.enter_async_context(serving(client.temporal, serves))
        for build in "abc":
            await polled(client, COURIERS, build)

        # Until one is current, calls wait although there are workers; the caller's own deployment is all right.
        waiting = await start(client)
        found = await seen(client, COURIERS, lambda d: d.waits == ("courier",))
        await set_current(client.temporal, found, "a")
        assert (await waiting.result()).courier == "a"

        async with sending(client):
            await out("b", ramp=ramp)
            assert lines[-1] == "b is current; a drains"
            with pytest.raises(Refused, match=r"c was taken back, b has everything: \d+ of \d+ failed"):
                await out("c", ramp=ramp)
        assert {each.courier for each in await send(client, 3)} == {"b"}
