"""Releases on a real server: ramped, judged, taken back, drained, deleted."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial

import pytest

from sagamesh import Client, Mesh
from sagamesh.deployments.deployment import State, troubles
from sagamesh.deployments.reader import load_deployment
from sagamesh.deployments.rollback import roll_back
from sagamesh.deployments.rollout import ramp_out
from sagamesh.deployments.routing import delete, set_current, set_ramp
from sagamesh.errors import Refused, UnknownName
from sagamesh.system import system_worker
from tests.deployments.parcels import PARCELS, Courier, courier, hosting, serving
from tests.deployments.releasing import canary_to, polled, ramp_of, seen, send, sending, start
from tests.support.script import PATIENCE

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_release_from_the_first_version_to_the_last(post: Client) -> None:
    client, lines = post, list[str]()
    out = partial(ramp_out, client.temporal, PARCELS, tell=lines.append)
    carrier = Courier("plain")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(5 * PATIENCE))
        system = system_worker(client.temporal, Mesh(courier))
        assert system is not None
        await stack.enter_async_context(system)
        await stack.enter_async_context(serving(client.temporal, carrier, versioned=False))
        await stack.enter_async_context(hosting(client.temporal, "v1"))

        # Nobody is current: a new task waits, and that is said.
        waiting = await start(client)
        found = await polled(client, PARCELS, "v1")
        assert found.waits == (PARCELS,)
        [trouble] = troubles(found)
        assert trouble.advice == f"sagamesh deploy promote v1 --deployment {PARCELS}"
        with pytest.raises(Refused, match="nobody would take the rest"):
            await set_ramp(client.temporal, found, "v1", 10)
        await set_current(client.temporal, found, "v1")
        assert (await waiting.result()).by == "v1"
        assert not troubles(await load_deployment(client.temporal, PARCELS))

        # One task of the first version is under way for as long as the release takes.
        long = await start(client, "patient")
        under = await start(client, supervised=True)
        assert (await under.result()).by == "v1"

        with pytest.raises(UnknownName):
            await out("v2", ramp=ramp_of(client, 100))
        await stack.enter_async_context(hosting(client.temporal, "v2"))
        found = await polled(client, PARCELS, "v2")
        await set_ramp(client.temporal, found, "v2", 10)
        with pytest.raises(Refused, match="somebody else"):
            await set_ramp(client.temporal, found, "v2", 90)
        found = await load_deployment(client.temporal, PARCELS)
        assert (found.current, found.ramping, found.percent) == ("v1", "v2", 10)
        assert [(v.build, v.share) for v in found.versions] == [("v2", 10), ("v1", 90)]
        with pytest.raises(Refused, match="is ramping"):
            await set_current(client.temporal, found, "v1")

        # The ramp goes on from there, to all of it.
        await out("v2", ramp=ramp_of(client, 10, 50, 100))
        assert [line for line in lines if "gets" in line] == ["v2 gets 10 %", "v2 gets 50 %", "v2 gets 100 %"]
        assert lines[-1] == "v2 is current; v1 drains"
        assert {each.by for each in await send(client, 5)} == {"v2"}
        await out("v2", ramp=ramp_of(client, 100))
        assert lines[-1] == "v2 is current already"

        # The third fails for everybody but its canary, and is taken back while it has half of the tasks.
        await stack.enter_async_context(hosting(client.temporal, "v3"))
        await polled(client, PARCELS, "v3")
        async with sending(client):
            with pytest.raises(
                Refused, match=r"v3 was taken back, v2 has everything: \d+ of \d+ failed, .* 0 of"
            ) as caught:
                await out("v3", ramp=ramp_of(client, 50, 100, least=5))
        assert caught.value.reason == "RolledBack"
        found = await load_deployment(client.temporal, PARCELS)
        assert (found.current, found.ramping) == ("v2", None)
        assert "failed" in found.version("v3").rolled_back
        assert not (await roll_back(client.temporal, PARCELS, "again")).bad

        # A canary that fails ends a ramp before anybody else is touched.
        with pytest.raises(Refused, match=r"canary .* failed: Lost: lost in the post"):
            await out("v3", ramp=ramp_of(client, 50, 100, canary=canary_to(client, "ada")))
        assert (await load_deployment(client.temporal, PARCELS)).ramping is None

        # The first still has its task, so it drains; then it may go.
        found = await load_deployment(client.temporal, PARCELS)
        assert (found.version("v1").state, found.version("v1").open_tasks) == (State.DRAINING, 1)
        with pytest.raises(Refused, match="1 open tasks are pinned to v1"):
            await delete(client.temporal, found, "v1")
        carrier.arrived.set()
        assert (await long.result()).by == "v1"
        await seen(client, PARCELS, lambda d: d.version("v1").state is State.DRAINED)
        with pytest.raises(Refused, match="still has workers"):
            await delete(client.temporal, await load_deployment(client.temporal, PARCELS), "v1")
