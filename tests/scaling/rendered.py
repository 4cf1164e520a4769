"""What the chart renders for a pool, as the numbers of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagamesh.scaling import Behavior, Policy, Rules
from tests.support.charts import Chart

PROMETHEUS = "http://prometheus.monitoring.svc:9090"
SYNC = 15.0
"""Seconds between two looks of a HorizontalPodAutoscaler, as Kubernetes has it; KEDA answers it from the source."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A pool's scaler and pods."""

    least: int
    most: int
    behavior: Behavior
    backlog: float
    busy: float
    polling: float
    scraped: float
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
    pod = _named(objects, "Deployment", pool)["spec"]["template"]["spec"]
    container = pod["containers"][0]
    variables = {each["name"]: each.get("value") for each in container["env"]}
    by_type = {trigger["type"]: trigger["metadata"] for trigger in spec["triggers"]}
    assert by_type["temporal"]["taskQueue"] == pool
    [scrape] = [each["spec"]["podMetricsEndpoints"][0] for each in objects if each["kind"] == "PodMonitor"]
    return Rendered(
        least=spec["minReplicaCount"],
        most=spec["maxReplicaCount"],
        behavior=behavior(spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]),
        backlog=float(by_type["temporal"]["targetQueueSize"]),
        busy=float(by_type["prometheus"]["threshold"]),
        polling=float(spec["pollingInterval"]),
        scraped=float(scrape["interval"].removesuffix("s")),
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
