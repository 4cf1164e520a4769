"""What `sagamesh explain` prints."""

from __future__ import annotations

import asyncio
import json

import pytest

from sagamesh.cli.main import execute
from sagamesh.errors import TaskFailed
from sagamesh.routing import CentralRequest, NegotiatedRequest, central, negotiated
from sagamesh.testing import served
from tests.routing.conftest import Depots
from tests.support.zones import EU, US

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(autouse=True)
def _project(monkeypatch: pytest.MonkeyPatch, depots: Depots) -> None:
    monkeypatch.setenv("SAGAMESH_APP", "tests.support.zones:app")
    monkeypatch.setenv("TEMPORAL_ADDRESS", depots.temporal.service_client.config.target_host)


async def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run a command line beside this event loop; its exit code, output and errors."""
    capsys.readouterr()
    code = await asyncio.to_thread(execute, ["explain", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


async def test_a_central_call(depots: Depots, capsys: pytest.CaptureFixture[str]) -> None:
    asked = CentralRequest.model_validate(
        {
            "capability": "reserve",
            "input": {"sku": "book"},
            "need": {"zones": ["us", "eu"], "excluded": ["old"]},
            "wait_seconds": 60,
        }
    )
    async with served(depots.temporal, depots.pool(EU), depots.pool(US)):
        await (await depots.client.start(central, asked, id="explain-central")).result()
    code, out, _ = await printed(capsys, "explain-central")
    lines = [line.split("  ") for line in out.splitlines()]
    assert code == 0
    assert lines[0][0].startswith("1. reserve at ")
    assert lines[0][0].endswith(": goes to depot.us")
    assert out.splitlines()[1] == "   needed: excluded old; zones us, eu; at most waiting 5"
    told = {line[0]: line[-1].strip() for line in lines[3:-1]}
    assert told["depot.us"] == "chosen"
    assert told["depot.eu"] in ("its zone is farther: 1 against 0", "NobodyAlive: nobody has asked for work yet")
    assert told["depot.asia"] == (
        "WrongZone: it is in zone asia, allowed is us, eu, NobodyAlive: nobody has asked for work yet"
    ).replace(", NobodyAlive", "; NobodyAlive")
    assert told["shed"].startswith("WrongZone: it is in no zone, allowed is us, eu; NotAllowed: the caller lacks")
    assert out.splitlines()[-1] == "   depot.reserve at depot.us: done"


async def test_a_negotiated_call_as_json(depots: Depots, capsys: pytest.CaptureFixture[str]) -> None:
    asked = NegotiatedRequest.model_validate(
        {
            "capability": "depot.reserve",
            "input": {"sku": "book"},
            "need": {"zones": ["us", "eu"]},
            "weights": {"load": 0, "latency": 0},
            "wait_seconds": 60,
        }
    )
    async with served(depots.temporal, depots.pool(EU), depots.pool(US)):
        await (await depots.client.start(negotiated, asked, id="explain-negotiated")).result()
    code, out, _ = await printed(capsys, "explain-negotiated", "--json")
    [document] = json.loads(out)
    assert code == 0
    assert document["state"] == "decided"
    assert [(each["bid"]["queue"], each["score"]) for each in document["bids"]] == [("depot.us", 0.5), ("depot.eu", 1)]
    assert [(award["queue"], award["state"]) for award in document["awards"]] == [("depot.us", "done")]
    _, out, _ = await printed(capsys, "explain-negotiated")
    assert ": offered, then given to depot.us" in out
    assert "was given the call" in out
    assert "another bid was better" in out


async def test_a_call_that_nobody_could_serve(depots: Depots, capsys: pytest.CaptureFixture[str]) -> None:
    asked = CentralRequest.model_validate(
        {"capability": "depot.reserve", "input": {"sku": "book"}, "need": {"required": ["warm"]}}
    )
    with pytest.raises(TaskFailed):
        await (await depots.client.start(central, asked, id="explain-nobody")).result()
    code, out, _ = await printed(capsys, "explain-nobody")
    assert code == 0
    assert ": failed\n" in out
    assert out.count("MissingTag: it lacks warm") == 4


async def test_a_task_that_there_is_not(depots: Depots, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = await printed(capsys, "explain-nothing")
    assert code == 2
    assert "no task has the id explain-nothing" in err
