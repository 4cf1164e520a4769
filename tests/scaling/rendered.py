"""What the chart renders for a pool, as the numbers of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sagamesh.scaling import Behavior, Figure, Policy, Rules, average_value, utilization
from tests.support.charts import Chart

PROMETHEUS = "http://prometheus.monitoring.svc:9090"
SYNC = 15.0
"""Seconds between two looks of a HorizontalPodAutoscaler, as Kubernetes has it; KEDA answers it from the source."""


RESOLUTION = 15.0
"""Seconds between two measurements of a pod's CPU and memory, as the metrics server has it."""

IDLE = 135.0
"""MiB that a worker has in memory with nothing to do, after thousands of calls: 115 to 124 in docs/benchmarks.md, and a
little more in longer runs."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What KEDA goes by: calls that wait, as they are now, and calls that run, as they were at the last scrape.

    - `interval`: seconds between two looks; `measured`: between two scrapes.
    - `backlog`, `busy`: for each replica.
    """

    interval: float
    measured: float
    backlog: float
    busy: float

    def figures(self, waiting: int, calls: Sequence[int], leaving: int, current: int) -> list[Figure]:
        """What a look finds; see `Source`."""
        return [
            average_value("backlog", waiting, self.backlog, current),
            average_value("busy", sum(calls) + leaving, self.busy, current),
        ]


@dataclass(frozen=True, slots=True)
class Usage:
    """What an HPA goes by: the mean CPU and memory of the pods that stay, in percent of their requests.

    - `request`: MiB of memory.
    - `cost`, `taken`: percent of CPU and memory that each call adds to what an idle pod has.
    """

    cpu: float
    memory: float
    request: float = 320.0
    cost: float = 12.0
    taken: float = 1.0
    interval: float = SYNC
    measured: float = RESOLUTION

    def figures(self, waiting: int, calls: Sequence[int], leaving: int, current: int) -> list[Figure]:
        """What a look finds; see `Source`."""
        mean = sum(calls) / len(calls)
        return [
            utilization("cpu", 5 + self.cost * mean, self.cpu, current),
            utilization("memory", 100 * IDLE / self.request + self.taken * mean, self.memory, current),
        ]


class Source(Protocol):
    """Where a scaler has its figures from."""

    @property
    def interval(self) -> float:
        """Seconds between two looks."""
        ...

    @property
    def measured(self) -> float:
        """Seconds between two measurements of the pods."""
        ...

    def figures(self, waiting: int, calls: Sequence[int], leaving: int, current: int) -> list[Figure]:
        """What a look finds.

        - `waiting`: calls on the queue. `calls`: of each pod at the last measurement; `leaving`: of those that go.
        """
        ...


@dataclass(frozen=True, slots=True)
class Rendered:
    """A pool's scaler and pods."""

    least: int
    most: int
    behavior: Behavior
    source: Source
    slots: int
    pause: float
    drain: float
    grace: float
    termination: float


def keda(chart: Chart, pool: str) -> Rendered:
    """A pool that is scaled by KEDA on what waits and on what runs."""
    values = {
        "defaults": {"scaling": {"mode": "keda", "keda": {"busySlots": {"prometheus": PROMETHEUS}}}},
        "monitoring": {"podMonitor": {"enabled": True}},
    }
    objects = chart.render(values=values)
    spec = _named(objects, "ScaledObject", pool)["spec"]
    by_type = {trigger["type"]: trigger["metadata"] for trigger in spec["triggers"]}
    assert by_type["temporal"]["taskQueue"] == pool
    [scrape] = [each["spec"]["podMetricsEndpoints"][0] for each in objects if each["kind"] == "PodMonitor"]
    source = Demand(
        interval=max(SYNC, float(spec["pollingInterval"])),
        measured=float(scrape["interval"].removesuffix("s")),
        backlog=float(by_type["temporal"]["targetQueueSize"]),
        busy=float(by_type["prometheus"]["threshold"]),
    )
    rules = behavior(spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"])
    return _rendered(objects, pool, spec["minReplicaCount"], spec["maxReplicaCount"], rules, source)


def hpa(chart: Chart, pool: str) -> Rendered:
    """A pool that is scaled by what its pods use."""
    objects = chart.render(values={"defaults": {"scaling": {"mode": "hpa"}}})
    spec = _named(objects, "HorizontalPodAutoscaler", pool)["spec"]
    targets = {
        each["resource"]["name"]: float(each["resource"]["target"]["averageUtilization"]) for each in spec["metrics"]
    }
    [container] = _named(objects, "Deployment", pool)["spec"]["template"]["spec"]["containers"]
    source = Usage(**targets, request=float(container["resources"]["requests"]["memory"].removesuffix("Mi")))
    return _rendered(objects, pool, spec["minReplicas"], spec["maxReplicas"], behavior(spec["behavior"]), source)


def _rendered(
    objects: list[dict[str, Any]], pool: str, least: int, most: int, rules: Behavior, source: Source
) -> Rendered:
    pod = _named(objects, "Deployment", pool)["spec"]["template"]["spec"]
    container = pod["containers"][0]
    variables = {each["name"]: each.get("value") for each in container["env"]}
    return Rendered(
        least=least,
        most=most,
        behavior=rules,
        source=source,
        slots=int(variables["SAGAMESH_SLOTS"]),
        pause=float(container["lifecycle"]["preStop"]["sleep"]["seconds"]),
        drain=float(variables["SAGAMESH_DRAIN"]),
        grace=float(variables["SAGAMESH_GRACE"]),
        termination=float(pod["terminationGracePeriodSeconds"]),
    )


def behavior(given: Mapping[str, Any]) -> Behavior:
    """Rules as an object of Kubernetes has them."""
    return Behavior(up=_rules(given["scaleUp"]), down=_rules(given["scaleDown"]))


def _rules(given: Mapping[str, Any]) -> Rules:
    policies = tuple(Policy(each["type"], each["value"], each["periodSeconds"]) for each in given["policies"])
    return Rules(given["stabilizationWindowSeconds"], policies, given.get("selectPolicy", "Max"))


def _named(objects: list[dict[str, Any]], kind: str, pool: str) -> dict[str, Any]:
    [found] = [
        each for each in objects if each["kind"] == kind and each["metadata"]["labels"].get("sagamesh.dev/pool") == pool
    ]
    return found
