"""A game day on the whole reference application: three minutes of seeded faults, and nothing is wrong afterwards.

SAGAMESH_TEST_SEED chooses another schedule, SAGAMESH_TEST_MINUTES a longer one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mesh_agents.order import OrderResult
from mesh_workers.checks import check
from mesh_workers.seed import one_line
from sagamesh.errors import InvalidInput
from sagamesh.load import Ended
from tests.stack.conftest import eventually
from tests.whole.conftest import ROOT, SAGAMESH, Stack

SEED = os.environ.get("SAGAMESH_TEST_SEED", "2026")
MINUTES = float(os.environ.get("SAGAMESH_TEST_MINUTES", "3"))
MIX = ("--mix", "docs/load/orders.json")

pytestmark = [pytest.mark.stack, pytest.mark.timeout(MINUTES * 60 + 300)]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    made = Stack(tmp_path_factory.mktemp("gameday") / "stack")
    made.up()
    try:
        yield made
    finally:
        made.down()


def test_orders_survive_everything(stack: Stack) -> None:
    ran = stack.command(
        "chaos", "Order", *MIX, "--seed", SEED, "--minutes", str(MINUTES), "--json", timeout=MINUTES * 60 + 240
    )
    print(ran.stderr)
    assert ran.stdout, ran.stderr
    report = json.loads(ran.stdout)
    assert report["violations"] == []
    assert ran.returncode == 0
    assert (report["probes"], report["asked"]) == (10, 10)
    assert report["recovery"] <= 30
    left_out = [done for done in report["done"] if done["note"]]
    assert len(report["done"]) == len(report["schedule"]["faults"])
    assert len(left_out) <= len(report["done"]) / 5, left_out
    # Three a second, less those that fall into the server's own absence.
    assert report["load"]["sent"] > MINUTES * 60
    again = stack.command("chaos", "Order", *MIX, "--seed", SEED, "--minutes", str(MINUTES), "--plan", "--json")
    assert json.loads(again.stdout) == report["schedule"]
    [saved] = (stack.folder / "chaos").iterdir()
    assert json.loads(saved.read_text()) == report["schedule"]
    assert not (stack.folder / "faults.json").exists()


@pytest.mark.asyncio
async def test_the_check_sees_what_is_wrong(stack: Stack) -> None:
    request = one_line()
    paid = OrderResult(order_id="o", payment_id="p", reservation_id="r", total=request.money, notified=True)
    environment = stack.pool_environment
    assert await check([Ended("never-sent", "book", request, "Declined")], environment) == []
    assert await check([Ended("never-sent", "book", request, "completed", paid)], environment) == [
        "never-sent: the gateway kept 0 minor units, should be 1250",
        "never-sent: completed, but its reservation is none",
        "never-sent: 0 mails, should be 1",
    ]
    assert await check([Ended("lost", "book", request, "TimeoutError")], environment) == [
        "lost: ended as TimeoutError, which no order should"
    ]
    with pytest.raises(InvalidInput, match="SAGAMESH_MAIL_SANDBOX: is not set"):
        await check([], {})


def processes(stack: Stack) -> list[psutil.Process]:
    return [psutil.Process(part["process"]["pid"]) for part in stack.state()["parts"]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_however_it_ends_everything_goes_on(stack: Stack, tmp_path: Path, number: signal.Signals) -> None:
    calm = json.loads(
        stack.command("chaos", "Order", *MIX, "--kinds", "pause", "--minutes", "5", "--plan", "--json").stdout
    )
    rule = {"capability": "payment.charge", "delay": 0.1}
    calm["faults"] = [
        {"at": 0.0, "kind": "pause", "target": "notification", "seconds": 200},
        {"at": 0.0, "kind": "delay", "target": "payment.charge", "seconds": 200, "rule": rule},
    ]
    (tmp_path / "calm.json").write_text(json.dumps(calm))
    faults = stack.folder / "faults.json"
    with subprocess.Popen(
        [SAGAMESH, "chaos", "Order", *MIX, "--replay", str(tmp_path / "calm.json"), "--rate", "1"],
        cwd=ROOT,
        env=stack.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:

        def hurt() -> bool:
            return faults.exists() and any(each.status() == psutil.STATUS_STOPPED for each in processes(stack))

        eventually(hurt, "it has begun")
        time.sleep(1)
        running.send_signal(number)
        printed, _ = running.communicate(timeout=120)

    def unhurt() -> bool:
        return not faults.exists() and all(each.status() != psutil.STATUS_STOPPED for each in processes(stack))

    eventually(unhurt, "everything goes on")
    if number == signal.SIGINT:
        assert running.returncode == 1, printed
        assert "Stopped early: 0 of 2 faults" in printed
        assert "10 of 10 probes right" in printed
        assert "0 violations" in printed
