"""The only stack that chaos may touch: the embedded one of this project, on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from sagamesh.app import App, project_root
from sagamesh.chaos.schedule import Schedule, Targets
from sagamesh.chaos.turn import turn
from sagamesh.errors import DefinitionError, Refused
from sagamesh.faults import VARIABLE
from sagamesh.load.check import pool_environment
from sagamesh.stack.place import Place
from sagamesh.stack.plan import INLINE, SERVER, pool_layers
from sagamesh.stack.state import PartState, Phase, StackState, Stage, load

if TYPE_CHECKING:
    import psutil

__all__ = ["OwnStack", "targets_of"]

_FEWEST_ATTEMPTS = 3
"""Of a capability that gets faults: what strikes two attempts must leave one."""


def targets_of(app: App, *, inline: bool = False) -> Targets:
    """What there is to hurt in the embedded stack of this app."""
    pools = [INLINE] if inline else [name for layer in pool_layers(app) for name in layer]
    return Targets(
        processes=(SERVER, *(helper.name for helper in app.helpers), *pools),
        # The engine's own, too: what it cannot write it must not claim to have done.
        databases=(SERVER, *app.databases),
        capabilities=tuple(
            capability.type
            for agent in app.mesh.agents
            for capability in agent.capabilities.values()
            if capability.policy.retry.attempts >= _FEWEST_ATTEMPTS
        ),
    )


@dataclass(frozen=True, slots=True)
class OwnStack:
    """A running embedded stack: what its supervisor wrote down, and the environment of its pools.

    - `turn`: the descriptor that keeps other game days from it; None where nothing does.
    """

    place: Place
    state: StackState
    environment: Mapping[str, str]
    turn: int | None = None

    @classmethod
    @contextmanager
    def claimed(cls) -> Iterator[Self]:
        """The stack of the project around the current folder, with no other game day on it until the block ends.

        Raises:
            Refused: `NoEmbeddedStack` when none is ready; `AnotherGameDay` while there is one; `FaultsInPlace` when
                somebody's rules of faults are in force.
        """
        place = Place.of(project_root())
        state = load(place)
        if state is None or not state.running or state.phase is not Phase.READY or state.root != place.root:
            raise Refused(
                "NoEmbeddedStack",
                f"no embedded stack of this project is ready in {place.folder}, and chaos touches nothing else. "
                "Start it with `sagamesh up --detach`",
            )
        with turn(place.folder) as descriptor:
            found = cls(place, state, pool_environment(state), descriptor)
            if found.faults.exists():
                raise Refused(
                    "FaultsInPlace",
                    f"{found.faults} holds rules of faults already, and chaos writes its own there; remove it first",
                )
            yield found

    @property
    def faults(self) -> Path:
        """The file of rules that the pools follow."""
        named = self.environment.get(VARIABLE)
        return Path(named) if named else self.place.faults

    def database(self, app: App, name: str) -> str:
        """The URL of a database: the server's, or one of the app's as the pools know it.

        Raises:
            DefinitionError: when the pools do not have its variable.
        """
        if name == SERVER:
            return f"sqlite:///{self.place.database}"
        variable = app.databases[name]
        if variable not in self.environment:
            raise DefinitionError(f"database {name}: the pools have no environment variable {variable}")
        return self.environment[variable]

    def process(self, name: str) -> psutil.Process | None:
        """The process of a part, as it is now: the one that the supervisor wrote down, by more than its number.

        None while it is not ready, or not there.
        """
        for part in self.parts():
            if part.name == name and part.stage is Stage.READY and part.process is not None:
                return part.process.find()
        return None

    def absent(self, schedule: Schedule) -> set[str]:
        """The processes that a schedule would hurt and that are no part of this stack."""
        hurt = {fault.target for fault in schedule.faults if fault.kind in ("kill", "pause")}
        return hurt - {part.name for part in self.state.parts}

    def parts(self) -> list[PartState]:
        """The parts as they are now; none when the supervisor is gone, or is another one by now."""
        state = load(self.place)
        if state is None or not state.running or state.supervisor != self.state.supervisor:
            return []
        return state.parts

    @property
    def ready(self) -> bool:
        """Whether every part is ready."""
        parts = self.parts()
        return bool(parts) and all(part.stage is Stage.READY for part in parts)
