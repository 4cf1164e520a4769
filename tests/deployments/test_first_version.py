"""The first version of a pool that had none."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial

import pytest

from sagamesh import Client
from sagamesh.deployments.reader import load_deployment
from sagamesh.deployments.rollout import ramp_out
from sagamesh.errors import Refused
from tests.deployments.parcels import PARCELS, Courier, hosting, serving
from tests.deployments.releasing import polled, ramp_of, send, sending
from tests.support.script import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_first_version_may_be_taken_back_too(post: Client) -> None:
    out = partial(ramp_out, post.temporal, PARCELS, tell=print)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(5 * PATIENCE))
        await stack.enter_async_context(serving(post.temporal, Courier("plain"), versioned=False))
        await stack.enter_async_context(hosting(post.temporal, "v1", versioned=False))
        await stack.enter_async_context(hosting(post.temporal, "v3"))
        await polled(post, PARCELS, "v3")
        async with sending(post):
            with pytest.raises(Refused, match="v3 was taken back, whoever has no version has everything"):
                await out("v3", ramp=ramp_of(post, 100, least=5))
        found = await load_deployment(post.temporal, PARCELS)
        assert (found.current, found.waits) == (None, ())
        assert {each.by for each in await send(post, 3)} == {"v1"}
