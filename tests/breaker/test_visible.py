"""What people and monitoring see of a breaker: the command line, and metrics."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from temporalio.client import Client as TemporalClient
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.runtime import MetricBuffer, Runtime, TelemetryConfig

from sagamesh import Mesh, Pool
from sagamesh.breaker.control import decide, find_breakers, see
from sagamesh.breaker.fleet import Action, keeper_id
from sagamesh.breaker.gate import look
from sagamesh.errors import Refused
from sagamesh.testing import served
from tests.breaker.conftest import Fleet, Server, eventually
from tests.support.outages import ROOT, Ask, Asking, Letter, Provider, Told, agents, asking, plugin, relay, sending

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]

SAGAMESH = str(Path(sys.executable).parent / "sagamesh")


async def command(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line on the fleet's app."""
    environment = {
        **os.environ,
        "SAGAMESH_APP": "tests.support.outages:app",
        "TEMPORAL_ADDRESS": server.address,
        "SAGAMESH_USER": "olga",
    }
    return await asyncio.to_thread(
        subprocess.run, [SAGAMESH, *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )


async def test_the_command_line(server: Server, fleet: Fleet, provider: Provider) -> None:
    listed = await command(server, "breaker", "list", "provider", "--json")
    assert json.loads(listed.stdout)[0]["capabilities"] == ["relay.send"], listed.stderr
    wrong = await command(server, "breaker", "open", "provder")
    assert (wrong.returncode, "did you mean provider?" in wrong.stderr) == (2, True)
    nobody = await command(server, "breaker", "open", "provider", "--by", "")
    assert (nobody.returncode, "say who decides" in nobody.stderr) == (2, True)

    fleet.start("agent")
    fleet.start("tasks")
    fleet.start("system")
    opened = await command(server, "breaker", "open", "relay", "--reason", "maintenance", "--json")
    [state] = json.loads(opened.stdout)
    assert (state["state"], state["by"], state["reason"]) == ("forced open", "olga", "maintenance"), opened.stderr
    handle = await server.client.start(sending, Letter(number=1), id="seen")
    await eventually(lambda: _waits(server))
    shown, alive = await asyncio.gather(command(server, "show", "seen"), command(server, "agents"))
    assert "breaker provider is forced open: maintenance" in shown.stdout
    assert "provider forced open (maintenance)" in alive.stdout
    assert provider.requests == []

    closed = await command(server, "breaker", "close", "provider", "--by", "paul", "--reason", "done")
    assert closed.returncode == 0
    assert "closed" in closed.stdout
    assert "paul" in closed.stdout
    await handle.result()


async def test_what_a_keeper_knows_goes_on_in_its_next_run(server: Server, fleet: Fleet) -> None:
    fleet.start("system")
    breakers = find_breakers(Mesh(relay), "provider")
    runs: list[str] = []
    async with asyncio.timeout(90):
        while len(set(runs)) < 3:
            await decide(
                server.temporal,
                breakers,
                "open",
                by="olga",
                reason=f"for the {len(runs)}. time",
                patience=timedelta(seconds=60),  # the process has only just been started
            )
            keeper = server.temporal.get_workflow_handle(keeper_id(breakers[0].queue))
            runs.append((await keeper.describe()).run_id)

    async def known() -> bool:
        [seen] = await see(server.temporal, breakers)
        return (seen.state, seen.by, seen.reason) == ("forced open", "olga", f"for the {len(runs) - 1}. time")

    await eventually(known)
    await decide(server.temporal, breakers, "close", by="paul", reason="enough")

    assert (await look(server.temporal, breakers[0].queue)) == {}
    await eventually(lambda: _ended(keeper))


async def _ended(keeper: WorkflowHandle[Any, Any]) -> bool:
    status = (await keeper.describe()).status
    assert status in (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.COMPLETED)
    return status is WorkflowExecutionStatus.COMPLETED


async def test_an_order_that_nobody_can_carry_out_is_kept(server: Server, fleet: Fleet) -> None:
    breakers = find_breakers(Mesh(relay), "provider")
    short = timedelta(seconds=1)
    with pytest.raises(Refused, match="a process that hosts tasks"):
        await decide(server.temporal, breakers, "open", by="olga", reason="nobody is there", patience=short)

    fleet.start("system")
    await eventually(lambda: _forced(server))
    await decide(server.temporal, breakers, "close", by="olga", reason="enough")


async def test_each_order_waits_until_it_is_carried_out_itself(server: Server, fleet: Fleet) -> None:
    breakers = find_breakers(Mesh(relay), "provider")
    [host] = fleet.start("system")
    start = timedelta(seconds=60)  # the process has only just been started
    for action, by in (("open", "olga"), ("open", "bob"), ("close", "paul"), ("close", "mia"), ("reset", "zoe")):
        [seen] = await decide(
            server.temporal, breakers, cast("Action", action), by=by, reason=f"{by} says so", patience=start
        )
        if action != "reset":  # nothing is open that it could change
            expected = "forced open" if action == "open" else "closed"
            assert (seen.state, seen.by, seen.reason) == (expected, by, f"{by} says so")
            assert seen.since is not None

    fleet.kill(host)
    for action in ("open", "close"):
        with pytest.raises(Refused, match="a process that hosts tasks"):
            await decide(
                server.temporal, breakers, cast("Action", action), by="olga", reason="", patience=timedelta(seconds=0.5)
            )
    fleet.start("system")
    await decide(server.temporal, breakers, "close", by="olga", reason="enough", patience=start)


async def test_two_who_decide_at_the_same_time_both_hear_of_it(server: Server, fleet: Fleet) -> None:
    breakers = find_breakers(Mesh(relay), "provider")
    fleet.start("system")
    start = timedelta(seconds=60)
    seen = await asyncio.gather(
        *(decide(server.temporal, breakers, "open", by=by, reason="", patience=start) for by in ("olga", "bob"))
    )
    assert {one.state for [one] in seen} == {"forced open"}
    await decide(server.temporal, breakers, "close", by="olga", reason="enough")


async def test_metrics(server: Server) -> None:
    async def down(ask: Ask) -> Told:
        raise ConnectionError("down")

    buffer = MetricBuffer(10_000)
    runtime = Runtime(telemetry=TelemetryConfig(metrics=buffer))
    client = await TemporalClient.connect(server.address, plugins=[plugin], runtime=runtime)
    agent = agents["limited"]
    pool = Pool(agent, grace=timedelta(0)).serve(agent.find("ask"), down)
    tasks = Pool("askings").host(asking, Asking)
    trips = "sagamesh_breaker_trips_total"
    values: dict[str, list[float]] = {}
    async with served(client, pool, tasks, mesh=Mesh(agent)):
        handles = [await server.client.start(asking, Ask(agent="limited"), id=f"limited-{n}") for n in range(3)]
        async with asyncio.timeout(30):
            while not sum(values.get(trips, ())) or 1 not in values["sagamesh_breaker_open"]:
                for update in buffer.retrieve_updates():
                    if update.metric.name.startswith("sagamesh_breaker"):
                        values.setdefault(update.metric.name, []).append(update.value)
                        labels: Mapping[str, Any] = update.attributes
                        assert (labels["agent"], labels["breaker"]) == ("limited", "limited.ask")
                await asyncio.sleep(0.05)
        for handle in handles:
            await server.temporal.get_workflow_handle(handle.id).terminate()

    assert values["sagamesh_breaker_open"][:2] == [0, 1]
    assert values[trips] == [0, 1], "it is there from the start, so that the first is an increase"


async def _waits(server: Server) -> bool:
    return bool((await server.client.find("seen").timeline()).entries)


async def _forced(server: Server) -> bool:
    notice = (await look(server.temporal, "relay")).get("provider")
    return notice is not None and notice.state == "forced open"
