"""How the embedded stack's changes are shown while they happen: on standard error, so that results stay apart."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from rich.status import Status
from rich.text import Text

from sagamesh.cli.output import console
from sagamesh.stack.state import PartState, Phase, StackState, Stage

__all__ = ["Progress", "Shown", "line_about"]

_STYLES = {
    Stage.READY: "green",
    Stage.RESTARTING: "yellow",
    Stage.FAILED: "red",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """What was said about a part: a change of any of these is worth a line."""

    stage: Stage
    note: str
    restarts: int

    @classmethod
    def of(cls, part: PartState) -> Shown:
        """What there is to say about it now."""
        return cls(part.stage, part.note, part.restarts)


def line_about(part: PartState) -> str | None:
    """One line on what has just happened to a part; None when it is not worth one."""
    took = f"{part.took:.1f} s" if part.took is not None else "?"
    where = "".join(f"  port {port}" for name, port in part.ports.items() if name in ("grpc", "port"))
    match part.stage:
        case Stage.READY if part.restarts:
            said = f"ready again after {took} (restart {part.restarts})"
        case Stage.READY:
            said = f"ready after {took}{where}"
        case Stage.RESTARTING | Stage.FAILED:
            said = part.note
        case Stage.STOPPED:
            said = part.note or "stopped"
        case Stage.WAITING | Stage.STARTING | Stage.STOPPING:
            return None
    return f"{part.name:<14} {said}"


class Progress:
    """Prints a line for each change: with colours and a moving sign on a terminal, with the time of day elsewhere."""

    def __init__(self) -> None:
        self._console = console(sys.stderr)
        self._shown: dict[str, Shown] = {}
        self._status: Status | None = None

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Show, for the length of the block, that something is going on."""
        if not self._console.is_terminal:
            yield
            return
        with self._console.status("") as self._status:
            try:
                yield
            finally:
                self._status = None

    def know(self, state: StackState | None) -> None:
        """Take this for known, so that only what changes from here on is told."""
        if state is not None:
            self._shown = {part.name: Shown.of(part) for part in state.parts}

    def update(self, state: StackState) -> None:
        """Tell what is new.

        Raises:
            OSError: when nobody can be told.
        """
        for part in state.parts:
            now = Shown.of(part)
            if self._shown.get(part.name) == now:
                continue
            self._shown[part.name] = now
            line = line_about(part)
            if line is not None:
                self.say(line, _STYLES.get(part.stage, ""))
        if self._status is not None:
            self._status.update(_doing(state))

    def say(self, line: str, style: str = "") -> None:
        """Print one line."""
        when = "" if self._console.is_terminal else f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S} "
        self._console.print(Text(when + line, style=style))


def _doing(state: StackState) -> str:
    stage = Stage.STOPPING if state.phase is Phase.STOPPING else Stage.STARTING
    names = ", ".join(part.name for part in state.parts if part.stage is stage)
    return f"{stage.value} {names}" if names else stage.value
