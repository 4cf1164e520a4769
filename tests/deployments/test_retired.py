"""A version that is drained, and whose workers have gone, may be deleted."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from sagamesh import Client
from sagamesh.deployments.deployment import State
from sagamesh.deployments.reader import load_deployment
from sagamesh.deployments.routing import delete, set_current
from sagamesh.errors import Refused
from tests.deployments.parcels import PARCELS, hosting
from tests.deployments.releasing import polled, seen, send
from tests.support.engine import eventually
from tests.support.script import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="session")

# The server remembers a worker for minutes, and refuses the deletion for as long. Workers must ask often, then; a busy
# server loses tasks so, which is why no other test has this.
SETTINGS = ('matching.PollerHistoryTTL="5s"', 'matching.longPollExpirationInterval="1s"')


async def test_a_drained_version_without_workers_may_go(post: Client) -> None:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(4 * PATIENCE))
        old = await stack.enter_async_context(AsyncExitStack())
        await old.enter_async_context(hosting(post.temporal, "v3"))
        await set_current(post.temporal, await polled(post, PARCELS, "v3"), "v3")
        assert [each.by for each in await send(post, 1, "canary")] == ["v3"]
        await stack.enter_async_context(hosting(post.temporal, "v2"))
        await set_current(post.temporal, await polled(post, PARCELS, "v2"), "v2")
        await seen(post, PARCELS, lambda d: d.version("v3").state is State.DRAINED)
        await old.aclose()

        async def gone() -> bool:
            found = await seen(post, PARCELS, lambda d: not d.version("v3").workers)
            try:
                await delete(post.temporal, found, "v3")
            except Refused as error:
                if error.reason != "InUse":
                    raise
                return False
            return True

        await eventually(gone)
        assert [v.build for v in (await load_deployment(post.temporal, PARCELS)).versions] == ["v2"]
