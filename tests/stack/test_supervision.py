"""The supervisor, with real processes and real signals."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import pytest

from sagamesh.stack.control import claim, follow, stop
from sagamesh.stack.lock import Lock
from sagamesh.stack.state import Phase, StackState, load

Until: TypeAlias = Callable[[Callable[[], Any], str], Any]

SERVER = [("server", "server", "plain")]
HELPERS = [("gateway", "helper", "plain"), ("mailbox", "helper", "plain")]
AGENT = [("agent", "pool", "plain")]
TASKS = [("tasks", "pool", "plain")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_layers_start_one_after_the_other_and_stop_the_other_way_round(scripts: Any, number: signal.Signals) -> None:
    scripts.up(SERVER, HELPERS, AGENT, TASKS)
    started = scripts.events()
    assert (started[0], set(started[1:3]), started[3:]) == (
        "start server",
        {"start gateway", "start mailbox"},
        ["start agent", "start tasks"],
    )
    scripts.send(number)
    assert scripts.ended() == 0
    stopped = scripts.events()[5:]
    assert set(stopped[:2]) == {"stop agent", "stop tasks"}
    assert set(stopped[2:4]) == {"stop gateway", "stop mailbox"}
    assert stopped[4:] == ["stop server"]
    assert scripts.processes() == []
    assert load(scripts.place) is None


def test_a_layer_waits_until_the_one_before_is_ready(scripts: Any, until: Until) -> None:
    scripts.start([("server", "server", "held")], AGENT)
    until(lambda: scripts.events() == ["start server"], "the server has started")
    state = until(scripts.state, "the state is written")
    assert [part.stage for part in state.parts] == ["starting", "waiting"]
    (scripts.folder / "go").touch()
    until(scripts.is_ready, "all is ready")
    assert scripts.events() == ["start server", "start agent"]


def test_what_is_killed_is_started_again_and_said(scripts: Any, until: Until) -> None:
    scripts.up(SERVER, AGENT, first_pause=0.05)
    for name in ("agent", "server"):
        before = scripts.pid_of(name)
        os.kill(before, signal.SIGKILL)
        until(partial(_back, scripts, name), f"{name} is back")
        assert scripts.pid_of(name) != before
        # The state is written before the line is printed, so that who reads the line finds the state.
        until(partial(_said, scripts, rf"{name} +ready again after .* \(restart 1\)"), f"{name} is said to be back")
        assert f"{name:<14} killed by SIGKILL; starts again in 0.05 s" in scripts.output


def _back(scripts: Any, name: str) -> bool:
    return bool(scripts.part(name).restarts == 1 and scripts.is_ready())


def _said(scripts: Any, pattern: str) -> bool:
    return re.search(pattern, scripts.output) is not None


def test_a_part_that_becomes_another_program_is_known_by_that(scripts: Any, until: Until) -> None:
    scripts.up(SERVER, [("database", "helper", "becomes")], first_pause=0.05)
    for _ in range(2):
        process = scripts.part("database").process
        assert process.command[-1] == "plain"
        assert process.alive
        os.kill(process.pid, signal.SIGKILL)
        until(partial(_replaced, scripts, process.pid), "it is back")


def _replaced(scripts: Any, pid: int) -> bool:
    return bool(scripts.is_ready() and scripts.pid_of("database") != pid)


def test_what_dies_again_and_again_waits_longer_each_time(scripts: Any, until: Until) -> None:
    scripts.start(SERVER, [("agent", "pool", "brief")], first_pause=0.02, longest_pause=0.08)
    until(lambda: scripts.output.count("starts again") >= 5, "five deaths")
    pauses = re.findall(r"agent +exit code 0; starts again in ([\d.]+) s", scripts.output)
    assert pauses[:5] == ["0.02", "0.04", "0.08", "0.08", "0.08"]


def test_a_part_that_gives_up_ends_the_start_with_its_own_words(scripts: Any) -> None:
    scripts.start(SERVER, HELPERS, [("agent", "pool", "gives-up")], TASKS)
    assert scripts.ended() == 1
    assert "error: agent ended before it was ready: exit code 3" in scripts.output
    assert "  no database is configured" in scripts.output
    assert "start tasks" not in scripts.events()
    assert scripts.processes() == []
    state = load(scripts.place)
    assert state is not None
    assert (state.phase, state.running, state.leftovers) == (Phase.FAILED, False, [])
    assert "no database is configured" in state.error


def test_a_part_that_is_never_ready_is_named_with_what_is_missing(scripts: Any) -> None:
    scripts.start(SERVER, [("agent", "pool", "never")], start=0.5)
    assert scripts.ended() == 1
    assert "error: agent not ready after 0.5 s: it has not written its file" in scripts.output
    assert scripts.processes() == []


def test_a_part_that_is_not_ready_again_is_killed_and_tried_again(scripts: Any, until: Until) -> None:
    scripts.up(SERVER, [("agent", "pool", "once")], start=2.0, first_pause=0.02)
    os.kill(scripts.pid_of("agent"), signal.SIGKILL)
    until(lambda: scripts.part("agent").restarts >= 2, "two restarts")
    assert "agent          not ready after 2 s: it has not written its file; starts again in" in scripts.output
    assert len(scripts.processes()) <= 2
    assert scripts.part("server").restarts == 0


def test_a_part_that_is_killed_while_it_starts_is_tried_again(scripts: Any, until: Until) -> None:
    scripts.start([("server", "server", "held")], AGENT, first_pause=0.02)
    until(lambda: scripts.events() == ["start server"], "the server has started")
    os.kill(scripts.pid_of("server"), signal.SIGKILL)
    until(lambda: scripts.events() == ["start server"] * 2, "the server has started again")
    (scripts.folder / "go").touch()
    until(scripts.is_ready, "all is ready")


def test_what_does_not_stop_when_asked_to_is_killed(scripts: Any) -> None:
    # That this takes 15 seconds at most is promised by Timing.stop_by, which a table test holds.
    parts = [[("server", "server", "stubborn")], [("gateway", "helper", "stubborn")], [("agent", "pool", "stubborn")]]
    scripts.up(*parts, stop_by={"pool": 0.5, "helper": 0.5, "server": 0.5})
    scripts.send(signal.SIGTERM)
    assert scripts.ended() == 0
    assert scripts.processes() == []
    assert "did not stop when asked to; killed" in scripts.output


def test_calls_that_may_take_long_are_waited_for(scripts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the supervisor and by `down`, which would both kill at once but for the grace."""
    monkeypatch.setattr("sagamesh.stack.control._PATIENCE", 0.0)
    at_once = {"pool": 0, "helper": 0, "server": 0}
    scripts.up(SERVER, [("agent", "pool", "busy")], stop_by=at_once, grace_of_parts=600)

    def observe(state: StackState) -> None:
        if any((part.name, part.stage) == ("agent", "stopping") for part in state.parts):
            (scripts.folder / "go").touch()

    assert stop(scripts.place, observe) == (True, [])
    assert scripts.ended() == 0
    assert scripts.events()[2:] == ["stop agent", "stop server"]


def test_a_second_ctrl_c_does_not_wait(scripts: Any, until: Until) -> None:
    for_ever = {"pool": 600, "helper": 600, "server": 600}
    scripts.up(SERVER, [("agent", "pool", "stubborn")], stop_by=for_ever)
    scripts.send(signal.SIGINT)
    until(lambda: scripts.part("agent").stage == "stopping", "it stops")
    scripts.send(signal.SIGINT)
    assert scripts.ended() == 0
    assert scripts.processes() == []


def test_ctrl_c_while_it_starts_stops_what_has_started(scripts: Any, until: Until) -> None:
    scripts.start(SERVER, [("agent", "pool", "held")])
    until(lambda: "start agent" in scripts.events(), "the agent has started")
    scripts.send(signal.SIGINT)
    assert scripts.ended() == 128 + signal.SIGINT
    assert scripts.processes() == []
    assert load(scripts.place) is None


def test_ctrl_c_while_a_part_waits_to_be_started_again_stops_the_rest(scripts: Any, until: Until) -> None:
    scripts.up(SERVER, AGENT, first_pause=600, longest_pause=600)
    os.kill(scripts.pid_of("agent"), signal.SIGKILL)
    until(lambda: scripts.part("agent").stage == "restarting", "the agent waits")
    scripts.send(signal.SIGINT)
    assert scripts.ended() == 0
    assert scripts.processes() == []


def test_children_of_a_part_end_with_it(scripts: Any, until: Until) -> None:
    scripts.up([("agent", "pool", "parent")], first_pause=0.02)
    until(lambda: scripts.events().count("start agent-child") == 1, "it has a child")
    os.kill(scripts.pid_of("agent"), signal.SIGKILL)
    until(lambda: scripts.events().count("start agent-child") == 2, "it has a child again")
    until(lambda: len(scripts.processes()) == 2, "the first child is gone")
    scripts.send(signal.SIGTERM)
    assert scripts.ended() == 0
    until(lambda: scripts.processes() == [], "nothing is left")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills children together with their parent")
def test_a_killed_supervisor_takes_everything_with_it_and_the_next_one_starts_afresh(
    scripts: Any, until: Until
) -> None:
    scripts.up(SERVER, [("agent", "pool", "stubborn")])
    scripts.send(signal.SIGKILL)
    scripts.ended()
    until(lambda: scripts.processes() == [], "nothing is left")
    state = load(scripts.place)
    assert state is not None
    assert not state.running
    scripts.up(SERVER, AGENT)
    scripts.send(signal.SIGTERM)
    assert scripts.ended() == 0


def test_only_one_supervisor_runs_in_a_place(scripts: Any) -> None:
    scripts.up(SERVER)
    second = type(scripts)(scripts.folder)
    second.start(SERVER)
    assert second.ended() == 9
    assert scripts.is_ready()
    assert scripts.events() == ["start server"]


def test_a_second_up_finds_the_first_while_it_starts_and_when_it_is_ready(scripts: Any, until: Until) -> None:
    scripts.start([("server", "server", "held")])
    until(lambda: scripts.events() == ["start server"], "the server has started")
    found = claim(scripts.place)
    assert isinstance(found, StackState)
    assert (found.supervisor.pid, found.phase) == (scripts.pid, Phase.STARTING)
    (scripts.folder / "go").touch()
    supervisor = found.supervisor
    ready = follow(scripts.place, scripts.pid, lambda _: None, lambda: not supervisor.alive)
    assert ready is not None
    assert ready.phase is Phase.READY
    found = claim(scripts.place)
    assert isinstance(found, StackState)
    assert found.phase is Phase.READY


def test_an_up_during_a_down_waits_until_it_may_start(scripts: Any, until: Until) -> None:
    scripts.up(SERVER, [("agent", "pool", "stubborn")], stop_by={"pool": 0.5, "helper": 20, "server": 20})
    scripts.send(signal.SIGTERM)
    until(lambda: scripts.part("agent").stage == "stopping", "it stops")
    claimed = claim(scripts.place)
    assert isinstance(claimed, Lock)
    assert scripts.processes() == []
    claimed.release()


def test_a_supervisor_that_ended_without_a_word_is_not_waited_for(scripts: Any) -> None:
    assert follow(scripts.place, 1, lambda _: None, lambda: True) is None


def test_nohup_is_respected(scripts: Any) -> None:
    scripts.up(SERVER, AGENT, ignoring="HUP")
    scripts.send(signal.SIGHUP)
    scripts.send(signal.SIGHUP)
    assert scripts.is_ready()
    assert stop(scripts.place, lambda _: None) == (True, [])


def test_down_stops_it_from_outside_and_says_when_nothing_runs(scripts: Any) -> None:
    scripts.up(SERVER, AGENT)
    assert stop(scripts.place, lambda _: None) == (True, [])
    assert scripts.ended() == 0
    assert scripts.events()[2:] == ["stop agent", "stop server"]
    assert stop(scripts.place, lambda _: None) == (False, [])


def test_a_supervisor_that_hangs_is_killed_by_down(scripts: Any, monkeypatch: pytest.MonkeyPatch, until: Until) -> None:
    monkeypatch.setattr("sagamesh.stack.control._PATIENCE", 0.5)
    scripts.up(SERVER, AGENT)
    scripts.send(signal.SIGSTOP)
    supervised, _ = stop(scripts.place, lambda _: None)
    assert supervised
    assert scripts.ended() == -signal.SIGKILL
    until(lambda: scripts.processes() == [], "nothing is left")


def test_a_closed_terminal_stops_everything_in_order(scripts: Any, until: Until) -> None:
    read, write = os.pipe()
    scripts.start(SERVER, AGENT, stderr=write, first_pause=0.02)
    os.close(write)
    until(scripts.is_ready, "all is ready")
    os.close(read)
    os.kill(scripts.pid_of("agent"), signal.SIGKILL)  # a change, which nobody can be told
    assert scripts.ended() == 141
    assert scripts.processes() == []
    assert load(scripts.place) is None
