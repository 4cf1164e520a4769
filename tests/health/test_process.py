"""A real worker process on a real server: what it says of itself, and when."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sagamesh import Client
from sagamesh.errors import TaskFailed
from sagamesh.testing import dev_server
from tests.health.conftest import Process
from tests.support.clerks import Errand, errand, plugin

Start = Callable[..., Process]

CALL = "clerk.work"


@pytest.mark.asyncio
async def test_the_life_of_a_process(start: Start, client: Client, new_id: str) -> None:
    """Started, ready, a call, a dependency that breaks, hangs and comes back; then it is told to stop amid a call."""
    process = start(SAGAMESH_GRACE="30")
    await process.says("/startupz", 200)
    assert await process.get("/readyz") == (200, "ok\n")
    assert await process.get("/livez") == (200, "ok\n")
    health = await process.health()
    assert {(check["kind"], check["name"]) for check in health["checks"]} == {
        ("server", "server"),
        ("queue", "queue clerk (activities)"),
        ("queue", "queue errands (workflows)"),
        ("queue", "queue sagamesh (workflows)"),
        ("queue", "queue sagamesh (activities)"),
        ("dependency", "clerk ledger"),
    }
    assert all(check["ok"] and check["age_seconds"] < 30 for check in health["checks"])

    process.set_ledger("closed")
    assert await process.says("/readyz", 503) == "clerk ledger: OSError: the ledger is closed\n"
    assert (await process.get("/startupz"), await process.get("/livez")) == ((200, "ok\n"), (200, "ok\n"))
    [reason] = (await process.health())["not_ready"]
    assert "the ledger is closed" in reason

    process.set_ledger("slow")
    await process.says("/readyz", 503, "no answer within 1 s")
    answers = [(await process.get(path))[0] for path in ("/livez", "/startupz", "/readyz", "/health", "/metrics")]
    assert answers == [200, 200, 503, 503, 200], "it is slow, and nothing is restarted for that"

    process.set_ledger("open")
    await process.says("/readyz", 200)

    running = await client.start(errand, Errand(seconds=2), id=new_id)
    await process.wrote("begun", f"{new_id}/{CALL}")
    process.terminate()
    await process.says("/readyz", 503, "it is stopping")
    assert (await process.get("/livez"))[0] == 200, "what drains must not be killed"
    assert (await process.get("/startupz"))[0] == 200
    await process.ends(0)
    assert process.written("ended") == process.written("begun") == [f"{new_id}/{CALL}"], "it ran once, to its end"
    assert process.written("cancelled") == []

    # Another process takes it from there; the call is not made again.
    other = start()
    await running.result()
    assert other.written("begun") == []


@pytest.mark.asyncio
async def test_a_dependency_that_is_down_from_the_start(start: Start) -> None:
    """It keeps a new process out of service, and is no reason to restart it."""
    process = start(ledger="closed")

    assert await process.says("/startupz", 200) == "ok\n"
    assert await process.says("/readyz", 503, "the ledger is closed") == "clerk ledger: OSError: the ledger is closed\n"
    assert await process.get("/livez") == (200, "ok\n")

    process.set_ledger("open")
    await process.says("/readyz", 200)


@pytest.mark.asyncio
async def test_an_event_loop_that_stands_still(start: Start, client: Client, new_id: str) -> None:
    process = start(SAGAMESH_STUCK_AFTER="1")
    await process.says("/readyz", 200)
    await client.start(errand, Errand(how="block", seconds=4), id=new_id)

    assert "the event loop has stood still" in await process.says("/livez", 503)
    assert (await process.get("/startupz"))[0] == 200
    await process.says("/livez", 200)

    assert "clerks.py" in process.log, "it says where it stood"


@pytest.mark.asyncio
async def test_metrics(start: Start, client: Client, new_id: str) -> None:
    process = start()
    await process.says("/readyz", 200)
    handles = [
        await client.start(errand, Errand(), id=f"{new_id}-0"),
        await client.start(errand, Errand(), id=f"{new_id}-1"),
        await client.start(errand, Errand(how="decline"), id=f"{new_id}-2"),
        await client.start(errand, Errand(how="fail"), id=f"{new_id}-3"),
    ]
    for handle in handles[:2]:
        await handle.result()
    for handle in handles[2:]:
        with pytest.raises(TaskFailed):
            await handle.result()

    page = await process.says("/metrics", 200)

    families = {family.name: family for family in text_string_to_metric_families(page)}
    names = [family.name for family in text_string_to_metric_families(page)]
    assert len(names) == len(families), "a name stands twice on the page"
    ended = {
        sample.labels["status"]: sample.value
        for sample in families["agent_tasks"].samples
        if sample.name == "agent_tasks_total"
        and (sample.labels.pop("agent_id"), sample.labels["task_type"]) == ("clerk", CALL)
    }
    assert ended == {"completed": 2, "declined": 1, "failed": 2, "refused": 0, "cancelled": 0}
    counted: defaultdict[str, float] = defaultdict(float)
    for sample in (sample for family in families.values() for sample in family.samples):
        counted[sample.name] += sample.value
    assert families["agent_task_duration_seconds"].type == "histogram"
    assert counted["agent_task_duration_seconds_count"] == 5
    assert counted["agent_messages_received_total"] == counted["agent_messages_sent_total"] == 5
    for usage in ("system_cpu_usage", "system_memory_usage"):
        found = {sample.labels["agent_id"]: sample.value for sample in families[usage].samples}
        assert found.keys() == {"clerk", "errands"}
        assert all(0 <= value <= 100 for value in found.values())
    [opened] = families["sagamesh_breaker_open"].samples
    assert (opened.labels, opened.value) == ({"agent": "clerk", "breaker": "desk"}, 0)
    slots = families["temporal_worker_task_slots_available"].samples
    assert {sample.labels["task_queue"] for sample in slots} >= {"clerk", "errands"}
    assert "temporal_activity_execution_latency" in families
    assert new_id not in page, "an id is on the page"
    assert "run_id" not in page


@pytest.mark.asyncio
async def test_a_server_that_goes(start: Start, new_id: str) -> None:
    """Not ready, but live; and told to stop, the process ends at its deadline, whatever still runs in it."""
    async with dev_server(plugin) as own:
        process = start(TEMPORAL_ADDRESS=own.client.service_client.config.target_host, SAGAMESH_GRACE="1")
        await process.says("/readyz", 200)
        await Client(own.client).start(errand, Errand(how="stay", seconds=600), id=new_id)
        await process.wrote("begun", f"{new_id}/{CALL}")
    await process.says("/readyz", 503, "server: the Temporal server does not answer")
    assert await process.get("/livez") == (200, "ok\n")

    began = time.monotonic()
    process.terminate()
    await process.says("/readyz", 503, "it is stopping")
    await process.ends(1)
    assert 1 <= time.monotonic() - began < 30
    assert "still not stopped after the grace" in process.log


@pytest.mark.asyncio
async def test_a_worker_that_cannot_go_on_takes_its_process_with_it(start: Start, client: Client, new_id: str) -> None:
    process = start(SAGAMESH_GRACE="1")
    await process.says("/readyz", 200)
    await (await client.start(errand, Errand(how="break"), id=f"{new_id}-0")).result()

    began = time.monotonic()
    await client.start(errand, Errand(how="stay", seconds=600), id=f"{new_id}-1")
    await process.says("/livez", 503, "it ends: Activity worker failed: no more polls")
    await process.says("/readyz", 503, "it ends: Activity worker failed: no more polls")

    await process.ends(1)
    assert 1 <= time.monotonic() - began < 30
    assert process.written("begun")[-1] == f"{new_id}-1/{CALL}"
    assert "still not stopped after the grace" in process.log


@pytest.mark.asyncio
async def test_what_cannot_be_served_ends_the_process(start: Start) -> None:
    process = start("clerk", TEMPORAL_NAMESPACE="nowhere", SAGAMESH_GRACE="600")

    await process.ends(3)
    assert "has no namespace nowhere" in process.log
    assert "Traceback" not in process.log


@pytest.mark.asyncio
async def test_a_port_that_is_taken(start: Start) -> None:
    first = start("clerk")
    await first.says("/livez", 200)
    second = start("clerk", SAGAMESH_PROBE_PORT=str(first.port))

    await second.ends(2)
    assert f"127.0.0.1 port {first.port} cannot be listened on" in second.log
    assert "SAGAMESH_PROBE_PORT" in second.log
    assert "Traceback" not in second.log


@pytest.mark.asyncio
async def test_without_a_port_nothing_is_watched(start: Start, client: Client, new_id: str) -> None:
    process = start(SAGAMESH_PROBE_PORT="0", SAGAMESH_LOG_LEVEL="DEBUG")
    await (await client.start(errand, Errand(), id=new_id)).result()

    assert (await process.get("/livez"))[0] == 0
    assert "sagamesh.health" not in process.log
