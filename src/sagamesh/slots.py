"""How many calls a worker process serves at a time: a fixed number, or as many as the machine bears."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from temporalio.worker import (
    FixedSizeSlotSupplier,
    ResourceBasedSlotConfig,
    ResourceBasedSlotSupplier,
    ResourceBasedTunerConfig,
    WorkerTuner,
)

from sagamesh.admission import Admission
from sagamesh.errors import DefinitionError

__all__ = ["DEFAULT_SLOTS", "ResourceSlots", "Slots", "fixed", "least", "most", "together", "tuner"]

DEFAULT_SLOTS = 10
"""How many calls one worker process serves at a time."""

_ENGINE_DEFAULT = 100
"""Slots of each kind where nobody says anything, as the engine's library has it."""


@dataclass(frozen=True, slots=True)
class ResourceSlots:
    """As many calls at a time as keep the machine (in a container: what it may use) below these targets.

    - `cpu`, `memory`: in percent. Above one of them no further call is taken, beyond `least`.
    - `least`, `most`: calls at a time, whatever the machine does.

    Raises:
        DefinitionError: for a target or a number that cannot be.
    """

    cpu: float = 80
    memory: float = 80
    least: int = 1
    most: int = 100

    def __post_init__(self) -> None:
        if not 0 < self.cpu <= 100 or not 0 < self.memory <= 100:
            raise DefinitionError(f"targets are above 0 and at most 100 percent, not {self.cpu} and {self.memory}")
        if not 1 <= self.least <= self.most:
            raise DefinitionError(f"slots: at least one, and no more than most, not {self.least} to {self.most}")


Slots: TypeAlias = int | ResourceSlots


def most(slots: Slots) -> int:
    """Calls at a time that are never exceeded."""
    return slots if isinstance(slots, int) else slots.most


def least(slots: Slots) -> int:
    """Calls at a time that are served in any case. With as many running, a process may rightly not ask for more."""
    return slots if isinstance(slots, int) else slots.least


def together(each: Iterable[Slots]) -> Slots | None:
    """The slots of a worker that serves for several pools; None for none. The strictest targets hold for all."""
    every = list(each)
    if not every:
        return None
    by_resources = [slots for slots in every if isinstance(slots, ResourceSlots)]
    if not by_resources:
        return sum(map(most, every))
    return ResourceSlots(
        cpu=min(slots.cpu for slots in by_resources),
        memory=min(slots.memory for slots in by_resources),
        least=sum(map(least, every)),
        most=sum(map(most, every)),
    )


def fixed(slots: Slots | None) -> int | None:
    """The number for a worker's own option; None where a tuner or the engine's default says it."""
    return slots if isinstance(slots, int) else None


def tuner(
    activities: Slots | None, *, local: Slots | None = None, admission: Admission | None = None
) -> WorkerTuner | None:
    """What hands out a worker's slots for calls by resources, or `admission`; None where their number is fixed."""
    if admission is None and not isinstance(activities, ResourceSlots) and not isinstance(local, ResourceSlots):
        return None
    default = FixedSizeSlotSupplier(_ENGINE_DEFAULT)
    return WorkerTuner.create_composite(
        # A task's steps take moments: they wait for nothing, and their number says nothing about the machine.
        workflow_supplier=default,
        activity_supplier=admission or (default if activities is None else _supplier(activities)),
        local_activity_supplier=default if local is None else _supplier(local),
        nexus_supplier=default,
    )


def _supplier(slots: Slots) -> FixedSizeSlotSupplier | ResourceBasedSlotSupplier:
    if isinstance(slots, int):
        return FixedSizeSlotSupplier(slots)
    return ResourceBasedSlotSupplier(
        ResourceBasedSlotConfig(minimum_slots=slots.least, maximum_slots=slots.most),
        ResourceBasedTunerConfig(slots.memory / 100, slots.cpu / 100),
    )
