"""What a supervisor has left that was killed where the kernel does not kill its children."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from sagamesh.stack.control import stop
from sagamesh.stack.overview import overview
from sagamesh.stack.part import Timing
from sagamesh.stack.place import Place
from sagamesh.stack.process import ProcessId
from sagamesh.stack.state import Kind, PartState, Phase, StackState, Stage, load, running_address, save

Until: TypeAlias = Callable[[Callable[[], Any], str], Any]
Orphan: TypeAlias = Callable[[str, Kind, str], PartState]

SCRIPT = str(Path(__file__).with_name("part_script.py"))
QUICK = Timing(stop_by={"pool": 0.5, "helper": 20, "server": 20})


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.delenv("SAGAMESH_DIR", raising=False)
    place = Place.of(tmp_path)
    place.create()
    return place


@pytest.fixture
def orphan(place: Place, until: Until) -> Iterator[Orphan]:
    """Start a part that no supervisor knows of any more."""
    with ExitStack() as started:

        def start(name: str, kind: Kind, mode: str) -> PartState:
            command = (sys.executable, "-I", "-S", SCRIPT, name, str(place.root), mode)
            process = started.enter_context(subprocess.Popen(command, start_new_session=True))
            started.callback(process.kill)
            ready = place.root / f"{name}.ready"
            until(ready.exists, f"{name} is ready")
            identity = ProcessId.of(process.pid, command)
            return PartState(name=name, kind=kind, stage=Stage.READY, process=identity, log=place.log(name))

        yield start


def dead() -> ProcessId:
    """A supervisor that is gone."""
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        return ProcessId.of(process.pid)


def killed(place: Place, *parts: PartState) -> StackState:
    """The state as a supervisor leaves it that is killed while everything is ready."""
    state = StackState(
        supervisor=dead(),
        phase=Phase.READY,
        root=place.root,
        folder=place.folder,
        address="127.0.0.1:7233",
        web="http://127.0.0.1:8233",
        parts=list(parts),
    )
    save(place, state)
    return state


def events(place: Place) -> list[str]:
    return [line.rsplit(" ", 1)[0] for line in (place.root / "events").read_text().splitlines()]


def test_down_stops_leftovers_in_order_and_names_them(place: Place, orphan: Orphan) -> None:
    parts = [orphan("server", "server", "plain"), orphan("mail", "helper", "plain"), orphan("agent", "pool", "plain")]
    killed(place, *parts)
    supervised, left = stop(place, lambda _: None, QUICK)
    assert (supervised, [part.name for part in left]) == (False, ["server", "mail", "agent"])
    assert events(place)[3:] == ["stop agent", "stop mail", "stop server"]
    assert not any(part.alive for part in parts)
    assert load(place) is None


def test_leftovers_have_the_grace_that_they_had(place: Place, orphan: Orphan) -> None:
    agent = orphan("agent", "pool", "plain").model_copy(update={"grace": 600.0})
    killed(place, agent)
    stop(place, lambda _: None, Timing(stop_by={"pool": 0, "helper": 20, "server": 20}))
    assert events(place)[1:] == ["stop agent"]


def test_leftovers_that_do_not_listen_are_killed(place: Place, orphan: Orphan) -> None:
    agent = orphan("agent", "pool", "stubborn")
    killed(place, agent)
    stop(place, lambda _: None, QUICK)
    assert not agent.alive


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"created": 1.0}, id="created at another time"),
        pytest.param({"command": ("python", "another.py")}, id="another command"),
    ],
)
def test_a_process_that_only_has_the_number_of_a_part_is_left_alone(
    place: Place, orphan: Orphan, other: dict[str, Any]
) -> None:
    agent = orphan("agent", "pool", "plain")
    assert agent.process is not None
    stranger = agent.model_copy(update={"process": agent.process.model_copy(update=other)})
    killed(place, stranger)
    assert stop(place, lambda _: None, QUICK) == (False, [])
    assert agent.alive


def test_status_tells_that_the_supervisor_was_killed_and_what_is_left(place: Place, orphan: Orphan) -> None:
    server = orphan("server", "server", "plain")
    gone = PartState(name="agent", kind="pool", stage=Stage.READY, process=dead(), log=place.log("agent"))
    shown = overview(place, killed(place, server, gone))
    assert (shown.state, shown.running) == ("killed", False)
    assert [(part.name, part.state) for part in shown.parts] == [("server", "left over"), ("agent", "gone")]
    assert shown.parts[0].pid is not None
    assert shown.parts[1].pid is None


def test_the_address_is_known_as_long_as_supervisor_or_server_is_there(place: Place, orphan: Orphan) -> None:
    assert running_address(place.root) is None
    state = killed(place, orphan("server", "server", "plain"))
    assert running_address(place.root) == "127.0.0.1:7233"
    stop(place, lambda _: None, QUICK)
    save(place, state)
    assert running_address(place.root) is None
    save(place, state.model_copy(update={"supervisor": ProcessId.of(os.getpid())}))
    assert running_address(place.root) == "127.0.0.1:7233"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"supervisor": 1}'])
def test_a_state_that_cannot_be_read_is_none(place: Place, content: str) -> None:
    place.state.write_text(content)
    assert load(place) is None


def test_a_zombie_is_not_alive() -> None:
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        identity = ProcessId.of(process.pid)
        assert identity.alive
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, and not yet collected
        assert not identity.alive
