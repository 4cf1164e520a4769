"""Limits where they are only shown, or cannot be kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment

from sagamesh import App, Client, Mesh, Pool, SagameshPlugin
from sagamesh.errors import Refused
from sagamesh.stack.plan import queues_of
from sagamesh.testing import Fakes, served, time_skipping
from sagamesh.topology import draw
from tests.limits import shops

APP = App(
    mesh=Mesh(*shops.AGENTS),
    tasks=(shops.crowd,),
    pools=dict.fromkeys(("limited", "shared", "till", "desk", "crowds"), "nowhere:pool"),
)


def test_a_pool_is_ready_when_it_polls_the_queues_of_its_providers_too() -> None:
    assert queues_of(APP, "till") == [("till", "activities"), ("till/bank", "activities")]


def test_the_picture_shows_limits() -> None:
    assert '["limited<br/>20/s<br/><i>call</i>"]' in draw(APP, "mermaid")
    assert '["shared<br/>10/s a tenant<br/><i>call</i>"]' in draw(APP, "mermaid")
    assert '["till<br/>till/bank 5/s<br/><i>charge<br/>quote</i>"]' in draw(APP, "mermaid")
    assert '[label="till\\ntill/bank 5/s\\ncharge\\nquote"]' in draw(APP, "dot")
    drawn = {agent["name"]: agent for agent in json.loads(draw(APP, "json"))["agents"]}
    assert (drawn["limited"]["rate"], drawn["shared"]["tenant_rate"]) == (20, 10)
    [bank] = drawn["till"]["providers"]
    assert (bank["name"], bank["queue"], bank["rate"], bank["slots"]) == ("bank", "till/bank", 5, 1)


@pytest_asyncio.fixture(loop_scope="session")
async def without_limits() -> AsyncIterator[WorkflowEnvironment]:
    async with time_skipping(SagameshPlugin(passthrough=("tests",))) as environment:
        yield environment


@pytest.mark.asyncio(loop_scope="session")
async def test_a_server_that_keeps_no_limits(without_limits: WorkflowEnvironment) -> None:
    client = without_limits.client
    fakes = Fakes(shops.shared, shops.limited).on(shops.shared_call, shops.Done()).on(shops.limited_call, shops.Done())
    shared, limited = fakes.pools()

    with pytest.raises(Refused, match=r"cannot keep a tenant_rate, as the contract of queue shared declares"):
        await shared.run(client, asyncio.Event())
    await limited.keep_limits(client)  # nothing for which the server would have to be told
    async with served(client, shared, limited, Pool("crowds").host(shops.crowd, shops.Crowd)):
        calls = shops.Calls(tenant="ada", capability="shared.call", count=30)
        handle = await Client(client).start(shops.crowd, calls, id="skipped-1")
        await handle.result(timeout=timedelta(seconds=30))

    assert len(fakes.called(shops.shared_call)) == 30
