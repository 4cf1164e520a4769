"""Figures of the whole mesh: who serves what, what waits, and which tasks wait for a person.

Every process that hosts tasks exports the same, so across processes the maximum is right, never the sum.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from sagamesh.discovery import QueueState
from sagamesh.mesh import Mesh

__all__ = ["MeshCollector", "TaskCount", "active_agents"]

Figures = TypeVar("Figures")


@dataclass(frozen=True, slots=True)
class TaskCount:
    """The tasks of one type that have not ended, and how many of them wait for an operator's decision."""

    task: str
    open: int
    need_operator: int


def active_agents(mesh: Mesh, states: Iterable[QueueState]) -> dict[str, int]:
    """How many worker processes take calls of each capability, by its type; those of all zones together."""
    pollers = {state.queue: state.workers for state in states if state.kind != "tasks"}
    serving: dict[str, set[str]] = {}
    for agent in mesh.agents:
        for capability in agent.capabilities.values():
            serving.setdefault(capability.type, set()).update(pollers.get(capability.queue, ()))
    return {type: len(workers) for type, workers in serving.items()}


class _Reading(Generic[Figures]):
    """What was read last, and when. Written by the event loop, read by the thread of a scrape."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last: tuple[float, Figures | None] = (clock(), None)

    def tell(self, figures: Figures) -> None:
        self._last = (self._clock(), figures)

    def look(self) -> tuple[float, Figures | None]:
        """The age in seconds, and the figures; before the first there are none, and the age is since the start."""
        at, figures = self._last
        return self._clock() - at, figures


class MeshCollector(Collector):
    """The figures of the last reading, while it is not too old, and always its age.

    - `lasting`: for how many seconds a reading counts. Beyond, the series vanish: an old figure looks like a true one.
    """

    def __init__(self, mesh: Mesh, *, lasting: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._mesh = mesh
        self._lasting = lasting
        self.queues: _Reading[Sequence[QueueState]] = _Reading(clock)
        self.tasks: _Reading[Sequence[TaskCount]] = _Reading(clock)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Part of the library's interface."""
        ages = {"queues": self.queues.look(), "tasks": self.tasks.look()}
        yield _family(
            "sagamesh_mesh_reading_age_seconds",
            "How long ago this process last read these figures of the mesh from the server, or began to try",
            ("of",),
            {(of,): age for of, (age, _) in ages.items()},
        )
        age, states = self.queues.look()
        if states is not None and age <= self._lasting:
            yield from _of_queues(self._mesh, states)
        age, counts = self.tasks.look()
        if counts is not None and age <= self._lasting:
            yield from _of_tasks(counts)

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Part of the library's interface: asked at registration, when nothing is known yet."""
        return ()


def _of_queues(mesh: Mesh, states: Sequence[QueueState]) -> Iterator[GaugeMetricFamily]:
    yield _family(
        "orchestrator_active_agents",
        "Worker processes that take calls of a capability; every process that hosts tasks exports the same",
        ("capability",),
        {(type,): count for type, count in active_agents(mesh, states).items()},
    )
    yield _family(
        "orchestrator_queue_size",
        "Calls and tasks that wait for a worker, in all queues; every process that hosts tasks exports the same",
        (),
        {(): sum(state.backlog for state in states)},
    )
    yield _family(
        "sagamesh_queue_backlog",
        "Calls or tasks that wait for a worker in a queue; every process that hosts tasks exports the same",
        ("queue", "kind"),
        {(state.queue, state.kind): state.backlog for state in states},
    )
    yield _family(
        "sagamesh_queue_backlog_age_seconds",
        "How long the first in a queue has waited; every process that hosts tasks exports the same",
        ("queue", "kind"),
        {(state.queue, state.kind): state.oldest.total_seconds() for state in states},
    )


def _of_tasks(counts: Sequence[TaskCount]) -> Iterator[GaugeMetricFamily]:
    yield _family(
        "sagamesh_tasks_open",
        "Tasks that have not ended; every process that hosts tasks exports the same",
        ("task_type",),
        {(count.task,): count.open for count in counts},
    )
    yield _family(
        "sagamesh_tasks_need_operator",
        "Tasks whose compensation waits for an operator; every process that hosts tasks exports the same",
        ("task_type",),
        {(count.task,): count.need_operator for count in counts},
    )


def _family(
    name: str, meaning: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family
