"""Replays and spans: what was told once is not told again, and who traces decides as who does not."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.clerks import Errand, errand
from tests.tracing.collector import tree
from tests.tracing.conftest import World

ROOT = Path(__file__).parents[2]


@pytest.mark.asyncio(loop_scope="session")
async def test_a_task_that_moves_to_another_process_is_one_trace(world: World) -> None:
    """The second process runs the task's code from the beginning, and ends the span that the first one began."""
    first = world.start("errands", **world.collector.environment)
    clerk = world.start("clerk", **world.collector.environment)
    handle = await world.client.start(errand, Errand(seconds=1), id="moved")
    await clerk.wrote("begun", "moved/clerk.work")
    await world.collector.until(lambda found: len(found) == 1, task="moved")
    first.terminate()
    await first.ends(0)
    assert tree(world.collector.of("moved")) in (
        ["StartActivity:clerk.work"],
        ["StartActivity:clerk.work", "  RunActivity:clerk.work"],
    ), "what it let go has not ended"

    second = world.start("errands", **world.collector.environment)
    await handle.result()
    spans = await world.collector.until(lambda found: len(found) >= 3, task="moved")
    for process in (second, clerk):
        await process.kill()  # so that no other test's calls come to it
    assert tree(spans) == ["RunWorkflow:Errand", "  StartActivity:clerk.work", "    RunActivity:clerk.work"]


@pytest.mark.asyncio
async def test_the_goldens_replay_in_processes_that_trace() -> None:
    """They were recorded by processes that do not."""
    goldens = sorted((ROOT / "tests" / "replay" / "histories").glob("*.json"))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.tracing.traced_replay", *map(str, goldens)),
        cwd=ROOT,
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
        stdout=subprocess.PIPE,
    )
    out, _ = await process.communicate()

    assert json.loads(out) == {"replayed": len(goldens), "problems": [], "spans": []}
