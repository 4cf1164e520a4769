"""Faults on a stack of small scripts: they hit the process that is meant, and nothing of them stays."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from mesh_workers import app
from sagamesh.chaos import Fault, Schedule, guardian
from sagamesh.chaos.effects import Effects
from sagamesh.chaos.stack import OwnStack
from sagamesh.errors import DefinitionError, Refused
from sagamesh.faults import Rule, RuleFile
from sagamesh.stack.state import StackState, load, save
from tests.stack.conftest import ScriptStack, eventually


@pytest.fixture
def scripts(tmp_path: Path) -> Iterator[ScriptStack]:
    stack = ScriptStack(tmp_path)
    try:
        yield stack
    finally:
        stack.clean()


def own(scripts: ScriptStack, environment: dict[str, str] | None = None) -> OwnStack:
    state = scripts.state()
    assert state is not None
    return OwnStack(scripts.place, state, environment or {})


def stopped(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_STOPPED


def test_a_kill_hits_the_process_of_that_name(scripts: ScriptStack) -> None:
    scripts.up([("a", "server", "plain"), ("b", "pool", "plain")], first_pause=0.05)
    a, b = scripts.pid_of("a"), scripts.pid_of("b")

    with Effects(app, own(scripts), seed=1) as effects:
        assert asyncio.run(effects.apply(Fault(at=0, kind="kill", target="b"), asyncio.Event())) == ""
    eventually(lambda: scripts.pid_of("b") != b and scripts.is_ready(), "b is another process")
    assert scripts.pid_of("a") == a


def test_a_pause_ends_by_itself_or_early_or_with_the_block(scripts: ScriptStack) -> None:
    scripts.up([("a", "pool", "plain")])
    pid = scripts.pid_of("a")
    seen: list[bool] = []

    async def paused(seconds: float, *, early: bool = False, cut: bool = False) -> None:
        over = asyncio.Event()
        with Effects(app, own(scripts), seed=1) as effects:
            work = asyncio.create_task(effects.apply(Fault(at=0, kind="pause", target="a", seconds=seconds), over))
            await asyncio.to_thread(eventually, lambda: stopped(pid), "it is stopped")
            seen.append(True)
            if early:
                over.set()
            if cut:
                work.cancel()
            assert (await asyncio.gather(work, return_exceptions=True))[0] == "" or cut
        assert not stopped(pid)

    asyncio.run(paused(0.5))
    began = time.monotonic()
    asyncio.run(paused(60, early=True))
    asyncio.run(paused(60, cut=True))
    assert time.monotonic() - began < 30
    assert len(seen) == 3


def test_what_is_not_running_is_left_out(scripts: ScriptStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sagamesh.chaos.effects._WAIT_FOR_PROCESS", 0.3)
    scripts.up([("a", "pool", "plain")])
    with Effects(app, own(scripts), seed=1) as effects:
        said = asyncio.run(effects.apply(Fault(at=0, kind="kill", target="nobody"), asyncio.Event()))
    assert said == "left out: it was not running"
    assert scripts.is_ready()


def test_a_number_that_is_another_process_by_now_is_not_touched(scripts: ScriptStack) -> None:
    scripts.up([("a", "pool", "plain")])
    stack = own(scripts)
    process = stack.process("a")
    assert process is not None
    assert process.pid == scripts.pid_of("a")

    def forged(state: StackState, **change: Any) -> None:
        [part] = state.parts
        assert part.process is not None
        save(scripts.place, state.model_copy(update={"parts": [part.model_copy(update=change)]}))

    state = scripts.state()
    assert state is not None
    [part] = state.parts
    assert part.process is not None
    forged(state, process=part.process.model_copy(update={"created": part.process.created - 60}))
    assert stack.process("a") is None
    forged(state, process=part.process.model_copy(update={"command": ("python", "something", "else")}))
    assert stack.process("a") is None
    save(scripts.place, state.model_copy(update={"supervisor": part.process}))
    assert stack.process("a") is None
    save(scripts.place, state)
    assert stack.process("a") is not None


def test_rules_are_in_force_for_their_time_and_together(scripts: ScriptStack, tmp_path: Path) -> None:
    scripts.up([("a", "pool", "plain")])
    path = tmp_path / "rules.json"
    rules = RuleFile(path)
    long = Fault(at=0, kind="delay", target="a.b", seconds=60, rule=Rule(capability="a.b", delay=1))
    brief = Fault(at=0, kind="error", target="a.c", seconds=0.3, rule=Rule(capability="a.c", error="Down"))

    async def both() -> None:
        over = asyncio.Event()
        with Effects(app, own(scripts, {"SAGAMESH_FAULTS": str(path)}), seed=9) as effects:
            first = asyncio.create_task(effects.apply(long, over))
            second = asyncio.create_task(effects.apply(brief, over))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert (rules.current().seed, rules.current().rules) == (9, (long.rule, brief.rule))
            await second
            assert rules.current().rules == (long.rule,)
            over.set()
            await first
            assert not path.exists()

    asyncio.run(both())


def test_whoever_dies_leaves_nothing_paused_and_no_rules(tmp_path: Path) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text("{}")
    with (
        subprocess.Popen(["sleep", "60"]) as sleeper,
        subprocess.Popen(["sleep", "60"]) as other,
        subprocess.Popen(
            [sys.executable, "-I", "-S", str(guardian.__file__), str(rules)], stdin=subprocess.PIPE
        ) as watching,
    ):
        assert watching.stdin is not None
        for process in (sleeper, other):
            os.kill(process.pid, signal.SIGSTOP)
            watching.stdin.write(f"pause {process.pid}\n".encode())
        watching.stdin.write(f"resume {other.pid}\n".encode())
        watching.stdin.flush()
        eventually(lambda: stopped(sleeper.pid) and stopped(other.pid), "both are stopped")
        assert rules.exists()
        watching.stdin.close()
        assert watching.wait(30) == 0
        assert (stopped(sleeper.pid), stopped(other.pid)) == (False, True)
        assert not rules.exists()
        for process in (sleeper, other):
            process.kill()


def test_a_database_that_the_pools_do_not_know(scripts: ScriptStack) -> None:
    scripts.up([("a", "pool", "plain")])
    with pytest.raises(DefinitionError, match="no environment variable SAGAMESH_INVENTORY_DATABASE"):
        own(scripts).database(app, "inventory")


@pytest.fixture
def here(scripts: ScriptStack, monkeypatch: pytest.MonkeyPatch) -> ScriptStack:
    """The stack is the one of the project around the current folder."""
    monkeypatch.setenv("SAGAMESH_DIR", str(scripts.place.folder))
    monkeypatch.chdir(scripts.folder)
    return scripts


def refusal() -> str:
    with pytest.raises(Refused) as refused, OwnStack.claimed():
        pass
    return refused.value.reason


def test_only_a_stack_that_is_ready_is_found(here: ScriptStack) -> None:
    assert refusal() == "NoEmbeddedStack"
    here.up([("a", "pool", "plain")])
    faults = (Fault(at=0, kind="kill", target="a"), Fault(at=0, kind="pause", target="b", seconds=1))
    with OwnStack.claimed() as stack:
        assert stack.process("a") is not None
        assert stack.absent(Schedule(seed=1, minutes=1, faults=faults)) == {"b"}
    here.place.faults.write_text("{}")
    assert refusal() == "FaultsInPlace"
    here.place.faults.unlink()
    state = load(here.place)
    assert state is not None
    save(here.place, state.model_copy(update={"root": Path("/elsewhere")}))
    assert refusal() == "NoEmbeddedStack"


OTHER = """
import os, signal
from mesh_workers import app
from sagamesh.chaos.effects import Effects
from sagamesh.chaos.stack import OwnStack
with OwnStack.claimed() as stack, Effects(app, stack, seed=1):
    stack.faults.write_text("{}")
    print(flush=True)
    signal.pause()
"""


def test_there_is_one_game_day_at_a_time(here: ScriptStack, monkeypatch: pytest.MonkeyPatch) -> None:
    here.up([("a", "pool", "plain")])
    with subprocess.Popen([sys.executable, "-c", OTHER], stdout=subprocess.PIPE, cwd=here.folder) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"\n"
        with pytest.MonkeyPatch.context() as impatient:
            impatient.setattr("sagamesh.chaos.turn._WITHIN", 0.0)
            # Not the other one's file of rules: removing that is what must not be advised.
            with pytest.raises(Refused, match=f"another .* is under way .*process {other.pid}"), OwnStack.claimed():
                pass
        assert here.place.faults.exists()
        other.kill()
        monkeypatch.setattr("sagamesh.chaos.turn._WITHIN", 30.0)
        # The next one has it only when the guardian has set everything right.
        with OwnStack.claimed() as stack:
            assert not stack.faults.exists()
    with OwnStack.claimed():
        pass
