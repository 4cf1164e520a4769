"""What Python measures of a worker process, beside what the engine's library does."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics, generate_latest

from sagamesh.mesh import Mesh
from sagamesh.metrics.calls import CallMetrics
from sagamesh.metrics.mesh import MeshCollector
from sagamesh.metrics.usage import UsageCollector

__all__ = ["Metrics"]


class Metrics:
    """What this process measures.

    - `agents`: the names of the agents that it serves; asked at each scrape.
    """

    def __init__(self, agents: Callable[[], Iterable[str]]) -> None:
        # They would be a second series for each, which nothing reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.calls = CallMetrics(self.registry)
        self.registry.register(UsageCollector(agents))
        ProcessCollector(registry=self.registry)

    def of_mesh(self, mesh: Mesh, *, lasting: float) -> MeshCollector:
        """Have the figures of the whole mesh on the page, too, each reading for at most `lasting` seconds."""
        collector = MeshCollector(mesh, lasting=lasting)
        self.registry.register(collector)
        return collector

    def page(self) -> str:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry).decode()
