"""Ramps that do not run to their end: one is killed and begun again, one meets a version that is slower."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from sagamesh import Client
from sagamesh.deployments.reader import load_deployment
from sagamesh.deployments.rollout import ramp_out
from sagamesh.deployments.routing import set_current
from sagamesh.errors import Refused
from tests.cli.shop import CommandLine
from tests.deployments.parcels import PARCELS, Courier, hosting, serving
from tests.deployments.releasing import polled, ramp_of, send, sending
from tests.support.script import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def first(post: Client) -> AsyncIterator[None]:
    """The first version is current, and has sent enough to be compared with."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serving(post.temporal, Courier("plain"), versioned=False))
        await stack.enter_async_context(hosting(post.temporal, "v1"))
        await set_current(post.temporal, await polled(post, PARCELS, "v1"), "v1")
        await send(post, 20)
        yield


async def test_a_ramp_whose_process_is_killed_keeps_its_share_and_goes_on_from_there(
    post: Client, sagamesh: CommandLine
) -> None:
    (sagamesh.folder / "canary.json").write_text('{"to": "canary"}')
    ramp = ("deploy", "ramp", "v2", "--canary", "Parcel", "--input", "canary.json", "--deployment", PARCELS)
    async with asyncio.timeout(3 * PATIENCE), hosting(post.temporal, "v2"):
        await polled(post, PARCELS, "v2")
        with sagamesh.popen(*ramp, "--steps", "10,100", "--pause", "10m") as ramping:
            assert ramping.stderr is not None
            while "v2 gets 10 %" not in (line := await asyncio.to_thread(ramping.stderr.readline)):
                assert line, "the ramp ended"
            ramping.kill()

        # Nobody watches, so nothing moves: the old one still has its tasks, the new one its share.
        left = await load_deployment(post.temporal, PARCELS)
        assert (left.current, left.ramping, left.percent) == ("v1", "v2", 10)
        assert {each.by for each in await send(post, 40)} <= {"v1", "v2"}

        ended = await asyncio.to_thread(sagamesh, *ramp, "--steps", "5,10,100", "--pause", "0.1s")
        assert ended.code == 0, ended.err
        assert [line.split(" gets ")[1] for line in ended.err.splitlines() if " gets " in line] == ["10 %", "100 %"]
        assert {each.by for each in await send(post, 5)} == {"v2"}
        await set_current(post.temporal, await load_deployment(post.temporal, PARCELS), "v1")


async def test_a_version_that_is_slower_is_taken_back(post: Client) -> None:
    lines = list[str]()
    async with asyncio.timeout(3 * PATIENCE), hosting(post.temporal, "slow"):
        await polled(post, PARCELS, "slow")
        async with sending(post, 0.05):
            with pytest.raises(
                Refused, match=r"slow was taken back, v1 has everything: takes \d\.\d\d s \(median of \d+\)"
            ) as caught:
                await ramp_out(post.temporal, PARCELS, "slow", ramp_of(post, 50, 100, least=12), tell=lines.append)
        assert caught.value.reason == "RolledBack"
        assert "slow gets 50 %" in lines
        assert "slow gets 100 %" not in lines
        found = await load_deployment(post.temporal, PARCELS)
        assert (found.current, found.ramping) == ("v1", None)
        assert "the old version" in found.version("slow").rolled_back
