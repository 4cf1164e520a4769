"""`scripts/bench` measures, says what it measured, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

_ROOT = Path(__file__).parents[2]


def _bench(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    # The script itself would set up the environment that runs this test.
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT / "scripts"), "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _left(folder: Path) -> list[str]:
    """What still runs of those whose command or log names the folder, and what still lies in it."""
    running = []
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
            logs = [file.path for file in process.open_files()] if "benchmarks" in line else []
        except psutil.Error:
            continue
        if str(folder) in line or any(path.startswith(str(folder)) for path in logs):
            running.append(line)
    return [*running, *map(str, folder.iterdir())]


def _measured(*arguments: str, folder: Path, to: Path) -> dict[str, Any]:
    process = _bench(*arguments, "--json", str(to), folder=folder)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    document: dict[str, Any] = json.loads(to.read_text(encoding="utf-8"))
    return document


@pytest.mark.stack
def test_overhead_says_what_it_measured(tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    arguments = ("overhead", "--pairs", "1", "--orders", "10", "--in-flight", "5")
    document = _measured(*arguments, folder=folder, to=tmp_path / "figures.json")
    assert document["bench"] == "overhead"
    ratio = document["ratio"]
    assert {"throughput", "worker_cpu", "server_cpu"} <= set(ratio)
    assert all(value > 0 for value in ratio.values())
    [pair] = document["legs"]
    assert ratio["throughput"] == pytest.approx(pair["sagamesh"]["throughput"] / pair["bare"]["throughput"])
    assert _left(folder) == []


@pytest.mark.stack
def test_a_burst_on_the_real_agents_ends_as_it_should(tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    document = _measured("burst", "--orders", "20", folder=folder, to=tmp_path / "figures.json")
    assert document["right"] == 20
    assert _left(folder) == []


@pytest.mark.stack
def test_both_ways_of_hosting_are_measured_side_by_side(tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    arguments = ("hosting", "--pairs", "1", "--orders", "10", "--alone", "2", "--in-flight", "5")
    document = _measured(*arguments, folder=folder, to=tmp_path / "figures.json")
    assert {name: value > 0 for name, value in document["throughput"].items()} == {"pools": True, "inline": True}
    assert set(document["median_alone"]) == {"pools", "inline", "inside"}
    assert _left(folder) == []


@pytest.mark.stack
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_ends_what_it_started(tmp_path: Path, sign: signal.Signals) -> None:
    process = _bench("burst", "--noop", "--orders", "100000", folder=tmp_path)
    children = psutil.Process(process.pid)
    deadline = time.monotonic() + 60
    while len(children.children()) < 6:  # the server and five workers
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    started = children.children(recursive=True)
    process.send_signal(sign)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert [child for child in started if child.is_running() and child.status() != psutil.STATUS_ZOMBIE] == []
    assert _left(tmp_path) == []


@pytest.mark.stack
def test_what_telemetry_costs_is_measured_side_by_side(tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    arguments = ("telemetry", "--rounds", "1", "--orders", "5", "--in-flight", "5")
    document = _measured(*arguments, folder=folder, to=tmp_path / "figures.json")
    [ways] = document["legs"]
    assert ways.keys() == {"silent", "metrics", "sampled", "traced"}
    ratio = document["ratio"]["sampled"]["throughput"]
    assert ratio == pytest.approx(ways["sampled"]["throughput"] / ways["silent"]["throughput"])
    assert document["goals"] == {"sampled throughput at least 0.95": ratio >= 0.95}
    assert _left(folder) == []


@pytest.mark.stack
def test_a_soak_looks_at_every_pool_again_and_again(tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    arguments = ("soak", "--noop", "--minutes", "0.1", "--rate", "10")
    document = _measured(*arguments, folder=folder, to=tmp_path / "figures.json")
    assert document["orders"] == 60
    assert len(document["samples"]) == 5
    for seen in document["samples"].values():
        assert len(seen) >= 3
        _, memory, files, threads = seen[-1]
        assert (memory > 10, files > 3, threads > 1) == (True, True, True)
    assert document["an_hour"].keys() == document["samples"].keys()
    assert len(document["goals"]) == 3
    assert _left(folder) == []
