"""A worker deployment as the server knows it, and what keeps its tasks and calls waiting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from sagamesh.errors import Refused, UnknownName

__all__ = ["Deployment", "Poller", "Queue", "Routing", "State", "Trouble", "Version", "only", "troubles"]


class State(StrEnum):
    """What a version is to the server's routing.

    `created` has had no worker yet, `inactive` no task; `draining` has open tasks, or had a moment ago.
    """

    CREATED = "created"
    INACTIVE = "inactive"
    CURRENT = "current"
    RAMPING = "ramping"
    DRAINING = "draining"
    DRAINED = "drained"


@dataclass(frozen=True, slots=True)
class Poller:
    """A worker that asks for work: its identity, and its version; empty for an unversioned one."""

    identity: str
    deployment: str
    build: str


@dataclass(frozen=True, slots=True)
class Queue:
    """One side of a task queue.

    - `pollers`: who has polled within the last 75 seconds.
    - `current`: the version that takes what is not pinned, of whatever deployment; None for unversioned workers.
    """

    name: str
    side: Literal["tasks", "calls"]
    pollers: tuple[Poller, ...]
    current: tuple[str, str] | None

    @property
    def unversioned(self) -> bool:
        """Whether a worker without a version polls it."""
        return any(not poller.build for poller in self.pollers)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a deployment.

    - `share`: percent of new tasks, and of calls from elsewhere, that it gets.
    - `open_tasks`: that are pinned to it, or were last run by it.
    - `workers`: identities of those that poll for it.
    - `queues`: that it has ever polled; `unpolled` are those of them that none of its workers polls now.
    - `rolled_back`: why it was taken back; empty when it was not.
    """

    deployment: str
    build: str
    state: State
    share: float
    open_tasks: int
    workers: tuple[str, ...]
    queues: tuple[str, ...]
    unpolled: tuple[str, ...]
    hosts_tasks: bool
    created: datetime
    last_current: datetime | None
    rolled_back: str = ""

    @property
    def whole(self) -> bool:
        """Whether its workers poll everything that it serves."""
        return bool(self.queues) and not self.unpolled


@dataclass(frozen=True, slots=True)
class Routing:
    """Who gets what is new: `ramping` gets `percent` of it, `current` the rest; None there are unversioned workers."""

    current: str | None
    ramping: str | None
    percent: float

    def share(self, build: str) -> float:
        """Percent that this version gets."""
        if build == self.ramping:
            return self.percent
        return round(100 - self.percent, 2) if build == self.current else 0.0

    def __str__(self) -> str:
        rest = self.current or "unversioned workers"
        if self.ramping is None:
            return f"{rest} {'has' if self.current else 'have'} everything"
        return f"{self.ramping} gets {self.percent:g} %, {rest} the rest"


@dataclass(frozen=True, slots=True)
class Deployment:
    """The versions of one worker deployment, the newest first, and how the server routes between them.

    - `current`: gets what is not ramped; None while nothing was promoted: then unversioned workers get it.
    - `ramping`: gets `percent` of it.
    - `ramp_ended`: the last change took back a version that was ramping.
    - `waits`: queues on which tasks or calls wait, because no version is current and no unversioned worker polls.
    - `token`: names this state of its routing: a change that carries it is refused after any other.
    """

    name: str
    current: str | None
    ramping: str | None
    percent: float
    versions: tuple[Version, ...]
    ramp_ended: bool
    waits: tuple[str, ...]
    token: bytes

    @property
    def routing(self) -> Routing:
        """Who gets what is new."""
        return Routing(self.current, self.ramping, self.percent)

    def version(self, build: str) -> Version:
        """The version of this build id.

        Raises:
            UnknownName: with the nearest ones.
        """
        for version in self.versions:
            if version.build == build:
                return version
        raise UnknownName(f"version of deployment {self.name}", build, [each.build for each in self.versions])

    @property
    def previous(self) -> Version | None:
        """The version that was current last before the one that is; None when there was none."""
        before = [each for each in self.versions if each.last_current is not None and each.build != self.current]
        return max(before, key=lambda each: (each.last_current is not None, each.last_current), default=None)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that makes tasks or calls wait, and what to do about it."""

    message: str
    advice: str


def troubles(deployment: Deployment) -> list[Trouble]:
    """What is wrong with a deployment; nothing when all goes on."""
    found = []
    option = f"--deployment {deployment.name}"
    if deployment.waits:
        candidates = [each.build for each in deployment.versions if each.workers]
        found.append(
            Trouble(
                f"no version is current: what is new waits on {', '.join(deployment.waits)}",
                f"sagamesh deploy promote {candidates[0] if candidates else 'BUILD'} {option}",
            )
        )
    for version in deployment.versions:
        idle = ", ".join(version.unpolled)
        if version.share and version.unpolled:
            found.append(
                Trouble(
                    f"{version.build} gets {version.share:g} % and has no worker on {idle}",
                    f"start its workers, or: sagamesh deploy rollback {option}",
                )
            )
        elif version.open_tasks and version.unpolled:
            found.append(
                Trouble(
                    f"{version.open_tasks} open tasks are pinned to {version.build}, which has no worker on {idle}",
                    f"keep workers of {version.build} until `sagamesh deploy status` shows it drained",
                )
            )
    return found


def only(deployments: Sequence[Deployment]) -> Deployment:
    """The deployment that is meant where none is named.

    Raises:
        Refused: `NoDeployment` when the server knows none, `NameNeeded` when it knows several.
    """
    if not deployments:
        raise Refused(
            "NoDeployment",
            "the server knows no worker deployment: start workers with TEMPORAL_DEPLOYMENT_NAME and "
            "TEMPORAL_WORKER_BUILD_ID",
        )
    if len(deployments) > 1:
        names = ", ".join(sorted(each.name for each in deployments))
        raise Refused("NameNeeded", f"there are several deployments ({names}): give --deployment")
    return deployments[0]
