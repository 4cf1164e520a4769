"""Every pool is restarted while orders go in, and no order notices.

SAGAMESH_TEST_RESTART_ORDERS sends more of them than CI does, and restarts a stack that hosts tasks inline, too.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from sagamesh.converter import data_converter
from sagamesh.timeline import load_timeline
from tests.whole.conftest import ROOT, SAGAMESH, Stack

WANTED = os.environ.get("SAGAMESH_TEST_RESTART_ORDERS")
ORDERS = int(WANTED or 60)
RATE = max(2.0, ORDERS / 125)
POOLS = ["accounts", "inventory", "payment", "notification", "orders"]
MIX = str(Path(__file__).with_name("mix.json"))
"""Without the orders whose calls fail on purpose: whatever was tried twice here was tried twice for no reason."""

pytestmark = [pytest.mark.stack, pytest.mark.timeout(ORDERS / RATE * 4 + 300)]


LONG = pytest.mark.skipif(WANTED is None, reason="the process is restarted as others are; SAGAMESH_TEST_RESTART_ORDERS")


@pytest.fixture(params=[pytest.param(False, id="pools"), pytest.param(True, id="inline", marks=LONG)])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    made = Stack(tmp_path / "stack", request.param)
    made.up()
    try:
        yield made
    finally:
        made.down()


def test_every_pool_is_restarted_and_no_call_is_made_twice(running: Stack) -> None:
    count = ORDERS if not running.inline else max(20, ORDERS // 4)
    pools = ["inline"] if running.inline else POOLS
    before = pids(running)
    with subprocess.Popen(
        [
            *(SAGAMESH, "load", "Order", "--mix", MIX, "--json", "--id-prefix", "roll"),
            *("--count", str(count), "--rate", str(RATE)),
        ],
        cwd=ROOT,
        env=running.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as load:
        rounds = [restarted(running)]
        while load.poll() is None:
            rounds.append(restarted(running))
        printed, progress = load.communicate()
    report = json.loads(printed)
    assert report["mismatches"] == [], progress
    assert report["violations"] == []
    assert (report["sent"], report["right"]) == (count, True)
    for done in rounds:
        assert [each["name"] for each in done["done"]] == pools
    assert all(pids(running)[name] != pid for name, pid in before.items() if name in pools)
    assert all(pids(running)[name] == pid for name, pid in before.items() if name not in pools)
    print(f"{count} orders, {len(rounds)} times each of {', '.join(pools)}")
    assert asyncio.run(twice(running, count)) == []


def restarted(stack: Stack) -> dict[str, Any]:
    done = stack.command("restart", "--json", timeout=600)
    assert done.returncode == 0, done.stderr
    restart: dict[str, Any] = json.loads(done.stdout)
    return restart


def pids(stack: Stack) -> dict[str, int]:
    return {part["name"]: part["pid"] for part in stack.status()["parts"]}


async def twice(stack: Stack, count: int) -> list[str]:
    """The calls that the histories say were begun more than once."""
    client = await Client.connect(stack.address, data_converter=data_converter)
    found = []
    for n in range(count):
        shown = await load_timeline(client.get_workflow_handle(f"roll-{n}"), data_converter)
        found += [
            f"{shown.id}: {e.name} in {e.attempts} attempts, {e.failure}" for e in shown.entries if e.attempts > 1
        ]
    return found
