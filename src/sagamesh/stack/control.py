"""Commands from outside to the supervisor of a place: find it, follow its start, stop it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from sagamesh.stack.errors import StackFailed
from sagamesh.stack.leftovers import reap
from sagamesh.stack.lock import Lock
from sagamesh.stack.log import open_log
from sagamesh.stack.part import Timing
from sagamesh.stack.place import Place
from sagamesh.stack.state import PartState, Phase, StackState, forget, load

__all__ = ["Observer", "claim", "detach", "follow", "stop"]

Observer = Callable[[StackState], None]

_LOOK_AGAIN = 0.05
_PATIENCE = 20.0
"""Seconds that a supervisor may take to stop: what it promises, and something for a busy machine. So much longer where
its pools have a longer grace."""


def claim(place: Place) -> Lock | StackState:
    """The lock of the place, or the state of the stack that runs there. Waits for one that is stopping.

    Raises:
        StackFailed: when the lock's holder neither runs a stack nor leaves.
    """
    deadline = time.monotonic() + _patience(place, Timing())
    while True:
        lock = Lock.take(place)
        if lock is not None:
            return lock
        state = load(place)
        if state is not None and state.running and state.phase in (Phase.STARTING, Phase.READY):
            return state
        if time.monotonic() > deadline:
            holder = Lock.holder(place)
            raise StackFailed(
                f"{place.lock} is held by {f'process {holder.pid}' if holder else 'another process'}, which neither "
                "runs the stack nor ends. `sagamesh down` stops it"
            )
        time.sleep(_LOOK_AGAIN)


def detach(place: Place, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start `sagamesh up` with these arguments as a process of a session of its own, and return it."""
    with open_log(place.log("supervisor"), "start") as log:
        return subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "sagamesh", "up", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=place.root,
            env={**os.environ, **place.environment()},
            start_new_session=True,
        )


def follow(place: Place, pid: int, observe: Observer, ended: Callable[[], bool]) -> StackState | None:
    """Wait until the supervisor with this pid has its stack ready, has failed, or `ended`.

    Returns its last state, or None when it ended without a word.
    """
    while True:
        over = ended()  # asked first, so that what it wrote last is read
        state = load(place)
        if state is not None and state.supervisor.pid == pid:
            observe(state)
            if state.phase in (Phase.READY, Phase.FAILED):
                return state
        if over:
            return None
        time.sleep(_LOOK_AGAIN)


def stop(place: Place, observe: Observer, timing: Timing | None = None) -> tuple[bool, list[PartState]]:
    """Stop the stack of the place, whatever is left of it.

    Returns whether a supervisor was stopped, and the parts that an earlier one had left.

    Raises:
        StackFailed: when the supervisor ends neither when asked nor when killed.
    """
    if not place.folder.exists():
        return False, []
    lock = Lock.take(place)
    supervised = lock is None
    if lock is None:
        lock = _stop_holder(place, observe, timing or Timing())
    with lock:
        state = load(place)
        left = [] if state is None else state.leftovers
        reap(left, timing)
        forget(place)
    return supervised, left


def _stop_holder(place: Place, observe: Observer, timing: Timing) -> Lock:
    patience = _patience(place, timing)
    for number in (signal.SIGTERM, signal.SIGKILL):
        told = None
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            holder = Lock.holder(place)
            if holder is not None and holder != told:
                told = holder
                with suppress(ProcessLookupError):
                    os.kill(holder.pid, number)
            lock = Lock.take(place)
            if lock is not None:
                return lock
            state = load(place)
            if state is not None:
                observe(state)
            time.sleep(_LOOK_AGAIN)
    raise StackFailed(f"the holder of {place.lock} ended neither by SIGTERM nor by SIGKILL")


def _patience(place: Place, timing: Timing) -> float:
    state = load(place)
    return _PATIENCE + (0.0 if state is None else timing.longer(part.grace for part in state.parts))
