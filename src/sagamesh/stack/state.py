"""What the embedded stack of a project is doing, in a file that any process may read."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import BaseModel, Field, ValidationError

from sagamesh.stack.place import Place
from sagamesh.stack.process import ProcessId

__all__ = [
    "Kind",
    "PartState",
    "Phase",
    "PoolScale",
    "Replaced",
    "Restart",
    "StackState",
    "Stage",
    "forget",
    "load",
    "running_address",
    "running_app",
    "running_inline",
    "save",
]

Kind: TypeAlias = Literal["server", "helper", "pool"]


class Phase(StrEnum):
    """How far the stack as a whole has come."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    FAILED = "failed"


class Stage(StrEnum):
    """How far one part has come."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class PartState(BaseModel):
    """One process that the stack runs: the server, a helper, or one of a pool's.

    - `part`: what it is a process of, as planned. A pool may have several, which differ in their `name`.
    - `grace`: as of `sagamesh.stack.part.Part`.
    - `process`: the one that runs now, or ran last.
    - `restarts`: how often it was started again since `up`.
    - `note`: what the last change was about, for people.
    - `took`: seconds from its last start until it was ready.
    """

    name: str
    part: str = ""
    grace: float = 0.0
    kind: Kind
    stage: Stage = Stage.WAITING
    process: ProcessId | None = None
    ports: dict[str, int] = Field(default_factory=dict)
    link: str = ""
    log: Path
    restarts: int = 0
    note: str = ""
    took: float | None = None

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.process is not None and self.process.alive

    @property
    def uptime(self) -> float | None:
        """Seconds since its process was started; None when none runs."""
        return time.time() - self.process.created if self.process is not None and self.process.alive else None


class Replaced(BaseModel):
    """One process that took the place of another, `took` seconds after the beginning of its start."""

    name: str
    old: int | None
    new: int
    took: float


class Restart(BaseModel):
    """A rolling restart, as far as it is.

    - `id`: that of the request; `pools`: in the order in which they are restarted.
    - `now`: the pool that is being restarted, empty between two.
    - `error`: why it ended early.
    """

    id: str
    pools: list[str]
    done: list[Replaced] = Field(default_factory=list)
    now: str = ""
    over: bool = False
    error: str = ""


class PoolScale(BaseModel):
    """How many processes an autoscaled pool has.

    - `least`, `most`: whatever happens; `wanted`: now.
    - `reason`: of the last change, at `changed` (seconds since the epoch); empty before the first.
    """

    pool: str
    least: int
    most: int
    wanted: int
    reason: str = ""
    changed: float | None = None


class StackState(BaseModel):
    """The whole stack.

    - `supervisor`: the process that holds it together.
    - `address`: of the Temporal server; `web`: its Web UI.
    - `app`: what it runs, as `module:name`.
    - `inline`: whether it hosts tasks inline.
    - `error`: why it failed, once it did.
    - `restart`: the last rolling restart, under way or over.
    - `scales`: the pools that are autoscaled.
    """

    supervisor: ProcessId
    phase: Phase = Phase.STARTING
    root: Path
    folder: Path
    address: str = ""
    web: str = ""
    app: str = ""
    inline: bool = False
    error: str = ""
    parts: list[PartState] = Field(default_factory=list)
    restart: Restart | None = None
    scales: list[PoolScale] = Field(default_factory=list)

    @property
    def pools(self) -> list[str]:
        """The pools, in the order in which they start."""
        return list(dict.fromkeys(part.part for part in self.parts if part.kind == "pool"))

    @property
    def running(self) -> bool:
        """Whether a supervisor looks after it."""
        return self.phase is not Phase.FAILED and self.supervisor.alive

    @property
    def leftovers(self) -> list[PartState]:
        """The parts that run although nobody looks after them."""
        return [] if self.running else [part for part in self.parts if part.alive]


def save(place: Place, state: StackState) -> None:
    """Write the state so that a reader sees the old or the new one, never a mixture. Only the lock's holder may.

    Raises:
        OSError: when it cannot be written.
    """
    draft = place.state.with_suffix(".new")
    draft.write_text(state.model_dump_json(indent=1), encoding="utf-8")
    draft.replace(place.state)


def load(place: Place) -> StackState | None:
    """The state as it was written last; None when no stack was started here, or it was stopped in order."""
    try:
        return StackState.model_validate_json(place.state.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:  # another version's, or cut short by a power failure: nothing in it is worth an error
        return None


def forget(place: Place) -> None:
    """Remove the state: everything is stopped."""
    place.state.unlink(missing_ok=True)


def running_address(root: Path) -> str | None:
    """The address of the Temporal server that the embedded stack of this project runs, or None."""
    state = _serving(root)
    return state.address if state else None


def running_app(root: Path) -> str | None:
    """The app that the embedded stack of this project runs, as `module:name`, or None."""
    state = _serving(root)
    return state.app or None if state else None


def running_inline(root: Path, address: str) -> bool:
    """Whether the server at this address is the one of this project's stack, and tasks are hosted inline there."""
    state = _serving(root)
    return state is not None and state.inline and state.address == address


def _serving(root: Path) -> StackState | None:
    state = load(Place.of(root))
    if state is None or not state.address:
        return None
    # Without its supervisor the server may still be there, and says what people want to know.
    return state if state.running or any(part.kind == "server" for part in state.leftovers) else None
