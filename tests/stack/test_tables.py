"""The decisions that are apart from their effects."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sagamesh.cli.progress import line_about
from sagamesh.pool import DEFAULT_GRACE
from sagamesh.stack.backoff import Backoff
from sagamesh.stack.log import LARGEST, open_log, tail
from sagamesh.stack.part import Timing
from sagamesh.stack.process import ProcessId, dying_with_parent, exit_text
from sagamesh.stack.server import ServerPorts, server_binary, server_command
from sagamesh.stack.state import PartState, Stage
from sagamesh.stack.supervisor import STOP_ORDER

PORTS = ServerPorts(grpc=1, web=2, http=3, metrics=4)


@pytest.mark.parametrize(
    ("lives", "pauses"),
    [
        ([0] * 8, [0.5, 1, 2, 4, 8, 15, 15, 15]),
        ([29.9, 29.9, 30, 0, 0], [0.5, 1, 0.5, 1, 2]),
        ([100, 100, 100], [0.5, 0.5, 0.5]),
    ],
)
def test_backoff(lives: list[float], pauses: list[float]) -> None:
    backoff = Backoff()
    assert [backoff.after(lived) for lived in lives] == pauses


def test_stopping_is_planned_to_take_less_than_15_seconds() -> None:
    stop_by = Timing().stop_by
    assert set(stop_by) == set(STOP_ORDER)
    assert max(stop_by.values()) <= 13
    assert sorted(stop_by, key=lambda kind: stop_by[kind]) == list(STOP_ORDER)
    assert stop_by["pool"] > DEFAULT_GRACE.total_seconds()
    assert Timing().grace == DEFAULT_GRACE.total_seconds()


@pytest.mark.parametrize(("graces", "longer"), [([], 0), ([0, 0], 0), ([0, 2, 8], 0), ([0, 8, 60, 10], 52)])
def test_a_longer_grace_makes_a_stop_so_much_longer(graces: list[float], longer: float) -> None:
    assert Timing().longer(graces) == longer


def test_the_server_is_run_on_the_loopback_with_every_port_given() -> None:
    assert server_command(PORTS, None, binary=Path("/temporal"), search_attributes=(), log_level="error") == [
        *("/temporal", "server", "start-dev", "--log-level", "error"),
        *("--ip", "127.0.0.1", "--ui-ip", "127.0.0.1", "--ui-disable-news-fetch"),
        *("--port", "1", "--ui-port", "2", "--http-port", "3", "--metrics-port", "4"),
        *("--dynamic-config-value", "history.transferProcessorMaxPollRPS=200"),
        *("--dynamic-config-value", 'history.transferProcessorUpdateAckInterval="1s"'),
        *("--dynamic-config-value", 'history.timerProcessorMaxTimeShift="10ms"'),
        *("--dynamic-config-value", "matching.numTaskqueueReadPartitions=1"),
        *("--dynamic-config-value", "matching.numTaskqueueWritePartitions=1"),
        *("--dynamic-config-value", 'matching.getUserDataRefresh="5s"'),
        *("--dynamic-config-value", "matching.enableFairness=true"),
        *("--dynamic-config-value", "system.forceSearchAttributesCacheRefreshOnRead=false"),
    ]


def test_the_server_keeps_its_state_in_a_file_that_survives_a_kill() -> None:
    added = _added(server_command(PORTS, Path("/data/temporal.db"), binary=Path("/temporal"), search_attributes=()))
    assert added == [
        *("--db-filename", "/data/temporal.db"),
        *("--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=NORMAL"),
    ]


def test_the_server_knows_the_search_attributes() -> None:
    assert _added(server_command(PORTS, None, binary=Path("/temporal"))) == [
        *("--search-attribute", "SagameshStatus=Keyword"),
        *("--search-attribute", "SagameshNeedsOperator=Bool"),
        *("--search-attribute", "SagameshCustomer=Keyword"),
        *("--search-attribute", "SagameshAgents=KeywordList"),
    ]


def _added(command: list[str]) -> list[str]:
    plain = server_command(PORTS, None, binary=Path("/temporal"), search_attributes=())
    rest = list(command)
    position = 0
    for word in plain:
        position = rest.index(word, position)
        del rest[position]
    return rest


def test_the_server_is_the_one_of_the_package() -> None:
    assert server_binary().name == "temporal"
    assert server_binary().stat().st_mode & 0o111


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0, "exit code 0"),
        (3, "exit code 3"),
        (-signal.SIGKILL, "killed by SIGKILL"),
        (-64, "killed by SIGRTMAX"),
        (-99, "killed by signal 99"),
    ],
)
def test_how_a_process_ended(code: int, text: str) -> None:
    assert exit_text(code) == text


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"stage": Stage.WAITING}, None),
        ({"stage": Stage.STARTING}, None),
        ({"stage": Stage.READY, "took": 1.23}, "agent          ready after 1.2 s"),
        ({"stage": Stage.READY, "took": 2, "ports": {"grpc": 7, "web": 8}}, "agent          ready after 2.0 s  port 7"),
        ({"stage": Stage.READY, "took": 2, "restarts": 3}, "agent          ready again after 2.0 s (restart 3)"),
        ({"stage": Stage.RESTARTING, "note": "killed; again in 1 s"}, "agent          killed; again in 1 s"),
        ({"stage": Stage.FAILED, "note": "not ready"}, "agent          not ready"),
        ({"stage": Stage.STOPPED}, "agent          stopped"),
        ({"stage": Stage.STOPPED, "note": "killed"}, "agent          killed"),
    ],
)
def test_what_is_said_about_a_change(change: dict[str, object], line: str | None) -> None:
    part = PartState(name="agent", kind="pool", log=Path("agent.log")).model_copy(update=change)
    assert line_about(part) == line


@pytest.mark.parametrize(
    ("printed", "lines", "expected"),
    [
        (b"", 1, []),
        (b"one\ntwo\n\n", 1, ["two"]),
        (b"one\ntwo\nthree\n", 2, ["two", "three"]),
        (b"no end of line", 1, ["no end of line"]),
        (b"\x1b[32mINFO\x1b[0m green\n", 1, ["INFO green"]),
        (b"\xff not UTF-8\n", 1, ["\ufffd not UTF-8"]),
        (b"x" * 1_000_000 + b"\nlast\n", 1, ["last"]),
    ],
)
def test_the_last_lines_of_a_log(tmp_path: Path, printed: bytes, lines: int, expected: list[str]) -> None:
    path = tmp_path / "logs" / "part.log"
    assert tail(path) == []
    with open_log(path, "start 1") as log:
        log.write(printed)
    assert tail(path, lines) == expected


def test_a_log_shows_the_present_life_and_keeps_the_earlier_ones(tmp_path: Path) -> None:
    path = tmp_path / "part.log"
    with open_log(path, "start 1") as log:
        log.write(b"a long time ago\n")
    with open_log(path, "start 2"):
        assert tail(path) == []
    assert b"a long time ago" in path.read_bytes()


def test_a_log_that_has_grown_large_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "part.log"
    path.write_bytes(b"x" * LARGEST)
    with open_log(path, "start 2") as log:
        log.write(b"new\n")
    assert tail(path) == ["new"]
    assert path.stat().st_size < 100
    assert path.with_name("part.log.1").stat().st_size == LARGEST


def test_uptime_is_that_of_a_process_that_runs() -> None:
    gone = ProcessId(pid=2**22 + 1, created=0, command=("none",))
    assert PartState(name="agent", kind="pool", log=Path("agent.log"), process=gone).uptime is None


@pytest.mark.skipif(sys.platform != "linux", reason="the launcher is for Linux")
@pytest.mark.parametrize(
    ("parent", "program", "code", "said"),
    [
        (os.getpid(), sys.executable, 0, ""),
        (1, sys.executable, 1, ""),
        (os.getpid(), "/no/such/program", 1, "cannot run /no/such/program: No such file or directory"),
    ],
    ids=["runs", "parent has gone", "no such program"],
)
def test_the_launcher(parent: int, program: str, code: int, said: str) -> None:
    launched = [*dying_with_parent([])[:-1], str(parent), program, "-c", ""]
    ran = subprocess.run(launched, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr.strip()) == (code, said)
