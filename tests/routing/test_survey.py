"""Who is there for a decision: those who ask for work, and those who only tell that they live."""

from __future__ import annotations

from datetime import timedelta

import pytest
from temporalio import client as temporal
from temporalio.runtime import Runtime, TelemetryConfig

from sagamesh import Client, SagameshPlugin, discovery
from sagamesh.routing.survey import survey
from sagamesh.testing import served
from tests.routing.conftest import Depots
from tests.support.engine import eventually
from tests.support.zones import EU

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_worker_that_does_not_ask_but_tells_that_it_lives_is_there(
    server: temporal.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if every poll were too long ago: between two polls of an idle worker there may be a minute.
    monkeypatch.setattr(discovery, "ALIVE_WITHIN", timedelta(0))
    runtime = Runtime(telemetry=TelemetryConfig(), worker_heartbeat_interval=timedelta(seconds=1))
    client = await temporal.Client.connect(
        server.service_client.config.target_host, plugins=[SagameshPlugin(passthrough=("tests",))], runtime=runtime
    )

    async def workers(count: int) -> bool:
        return (await survey(server, [EU.queue]))[EU.queue].workers == count

    assert await workers(0)
    async with served(client, Depots(Client(client)).pool(EU)):
        await eventually(lambda: workers(1))
    await eventually(lambda: workers(0))
