"""Rolling restarts by the supervisor, with real processes."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from sagamesh.cli.main import execute
from sagamesh.errors import Refused, UnknownName
from sagamesh.stack.errors import StackFailed
from sagamesh.stack.place import Place
from sagamesh.stack.restart import Request, ask, follow_restart, withdraw
from sagamesh.stack.state import Restart

Until: TypeAlias = Callable[[Callable[[], Any], str], Any]

SERVER = [("server", "server", "plain")]
AGENTS = [("stock", "pool", "plain"), ("mail", "pool", "plain")]
TASKS = [("tasks", "pool", "plain")]


def restarted(place: Place, *pools: str) -> Restart:
    request, asked = ask(place, pools)
    return follow_restart(place, request, asked, lambda _: None)


def test_each_pool_in_turn_has_a_new_process_before_the_old_one_goes(scripts: Any) -> None:
    scripts.up(SERVER, AGENTS, TASKS)
    before = {name: scripts.pid_of(name) for name in ("server", "stock", "mail", "tasks")}
    began = len(scripts.events())
    over = restarted(scripts.place)
    assert (over.pools, over.error, over.now) == (["stock", "mail", "tasks"], "", "")
    after = {name: scripts.pid_of(name) for name in before}
    assert [(done.name, done.old, done.new) for done in over.done] == [
        (name, before[name], after[name]) for name in ("stock", "mail", "tasks")
    ]
    assert after["server"] == before["server"]
    assert scripts.events()[began:] == [f"{what} {name}" for name in over.pools for what in ("start", "stop")]
    assert sorted(scripts.processes()) == sorted(after.values())
    state = scripts.state()
    assert [part.name for part in state.parts] == ["server", "stock", "mail", "tasks"]
    assert {part.restarts for part in state.parts} == {0}
    assert not scripts.place.request.exists()


def test_only_the_named_pools_and_again_what_took_their_place(scripts: Any, until: Until) -> None:
    scripts.up(SERVER, AGENTS, TASKS, first_pause=0.02)
    first = [restarted(scripts.place, "mail", "mail") for _ in range(2)]
    assert [[done.name for done in over.done] for over in first] == [["mail"], ["mail"]]
    assert first[0].done[0].new == first[1].done[0].old
    os.kill(scripts.pid_of("mail"), signal.SIGKILL)
    until(lambda: scripts.part("mail").restarts == 1 and scripts.is_ready(), "what took its place is looked after")
    scripts.send(signal.SIGTERM)
    assert scripts.ended() == 0
    assert scripts.processes() == []


def test_one_that_does_not_become_ready_leaves_the_old_one_and_the_rest_alone(scripts: Any) -> None:
    scripts.up(SERVER, [("stock", "pool", "once")], TASKS, start=1.0)
    running = sorted(scripts.processes())
    over = restarted(scripts.place)
    assert over.done == []
    assert over.error.startswith("stock (next) not ready after 1 s: it has not written its file; its log is empty")
    assert sorted(scripts.processes()) == running
    assert scripts.is_ready()


def test_what_ignores_the_request_to_stop_is_killed_when_its_time_is_over(scripts: Any) -> None:
    scripts.up(SERVER, [("stock", "pool", "stubborn")], drain=0.2)
    old = scripts.pid_of("stock")
    assert restarted(scripts.place).done[0].old == old
    assert len(scripts.processes()) == 2
    assert "stock          did not stop when asked to; killed" in scripts.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_stack_that_is_stopped_meanwhile_leaves_nothing(scripts: Any, until: Until, number: signal.Signals) -> None:
    scripts.up(SERVER, AGENTS, [("tasks", "pool", "once")])
    request, asked = ask(scripts.place, ["tasks"])
    until(lambda: scripts.events().count("start tasks") == 2, "the second one has started")
    scripts.send(number)
    scripts.ended()
    until(lambda: scripts.processes() == [], "nothing is left")
    with pytest.raises(StackFailed, match="was stopped during the restart"):
        follow_restart(scripts.place, request, asked, lambda _: None)
    assert not scripts.place.request.exists()


def test_who_asked_may_leave_out_the_rest(scripts: Any, until: Until) -> None:
    go = scripts.folder / "go"
    go.touch()
    scripts.up(SERVER, [("stock", "pool", "held")], TASKS)
    go.unlink()
    request, asked = ask(scripts.place, [])
    until(lambda: scripts.events().count("start stock") == 2, "the first pool is in hand")
    with pytest.raises(Refused, match="a rolling restart is under way already"):
        ask(scripts.place, [])
    withdraw(scripts.place, request)
    go.touch()
    over = follow_restart(scripts.place, request, asked, lambda _: None)
    assert ([done.name for done in over.done], over.error) == (["stock"], "interrupted")
    assert scripts.events().count("start tasks") == 1


def test_wrong_requests_are_refused_before_anything_happens(scripts: Any, tmp_path: Any) -> None:
    scripts.up(SERVER, AGENTS)
    with pytest.raises(UnknownName, match=r"no pool is called 'stok'; did you mean stock\?"):
        ask(scripts.place, ["mail", "stok"])
    with pytest.raises(UnknownName, match="no pool is called 'server'; known: mail, stock"):
        ask(scripts.place, ["server"])
    nowhere = Place(tmp_path, tmp_path / "nowhere")
    with pytest.raises(Refused, match=r"no embedded stack is ready in .*nowhere"):
        ask(nowhere, [])
    assert len(scripts.events()) == 3


def test_a_file_that_is_no_request_holds_up_nothing(scripts: Any) -> None:
    scripts.up(SERVER, AGENTS)
    scripts.place.request.write_text("{")
    over = None
    while over is None:
        try:
            over = restarted(scripts.place, "mail")
        except Refused:  # until the supervisor has looked
            threading.Event().wait(0.05)
    assert len(over.done) == 1


def test_the_command_without_a_stack(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SAGAMESH_DIR", raising=False)
    assert execute(["restart"]) == 1
    assert "no embedded stack is ready" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_command(scripts: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(scripts.folder)
    monkeypatch.setenv("SAGAMESH_DIR", str(scripts.place.folder))
    scripts.up(SERVER, [("stock", "pool", "plain"), ("mail", "pool", "once")], start=1.0)
    old = scripts.pid_of("stock")
    assert execute(["restart", "stock"]) == 0
    said = capsys.readouterr()
    assert said.out == "Restarted 1 process of stock.\n"
    assert f"stock          process {scripts.pid_of('stock')} took the place of {old} after" in said.err
    assert execute(["restart", "stok"]) == 2
    assert "did you mean stock?" in capsys.readouterr().err
    assert execute(["restart"]) == 1
    said = capsys.readouterr()
    assert "error: mail (next) not ready after 1 s" in said.err
    assert "the process that runs goes on" in said.err
    assert said.out == ""


def test_a_supervisor_that_does_not_hear_is_said_to(scripts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sagamesh.stack.restart._UNHEARD", 0.2)
    scripts.up(SERVER, AGENTS)
    scripts.send(signal.SIGSTOP)
    try:
        request, asked = ask(scripts.place, [])
        assert isinstance(request, Request)
        with pytest.raises(StackFailed, match="did not take up the restart"):
            follow_restart(scripts.place, request, asked, lambda _: None)
        assert not scripts.place.request.exists()
    finally:
        scripts.send(signal.SIGCONT)
