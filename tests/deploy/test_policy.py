"""Nothing that the chart renders runs as root, without bounds, without probes, or from a version that moves."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sagamesh import worker
from tests.support.charts import CI, Chart
from tests.support.pods import pods, selected, violations

matrix = pytest.mark.parametrize("values", CI, ids=lambda path: path.stem.removesuffix("-values"))


@matrix
def test_every_pod_keeps_to_the_policy(chart: Chart, values: Path) -> None:
    found = pods(chart.render(values))
    assert found
    assert {name: list(violations(pod)) for name, pod in found.items()} == {name: [] for name in found}


BREACHES: dict[str, Callable[[dict[str, Any], dict[str, Any]], object]] = {
    "root": lambda spec, _: spec["securityContext"].update(runAsUser=0),
    "root by default": lambda spec, _: spec.pop("securityContext"),
    "token": lambda spec, _: spec.pop("automountServiceAccountToken"),
    "host": lambda spec, _: spec.update(hostNetwork=True),
    "latest": lambda _, container: container.update(image="registry.example.org:5000/sagamesh:latest"),
    "no tag": lambda _, container: container.update(image="registry.example.org:5000/sagamesh"),
    "no limits": lambda _, container: container["resources"].pop("limits"),
    "no memory": lambda _, container: container["resources"]["limits"].pop("memory"),
    "no probe": lambda _, container: container.pop("livenessProbe"),
    "privileges": lambda _, container: container["securityContext"].update(allowPrivilegeEscalation=True),
    "writable": lambda _, container: container["securityContext"].pop("readOnlyRootFilesystem"),
    "capabilities": lambda _, container: container["securityContext"]["capabilities"].update(add=["NET_ADMIN"]),
    "secret": lambda _, container: container["env"].append({"name": "SAGAMESH_PAYMENT_KEY", "value": "sk"}),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_of_the_policy_is_found(chart: Chart, breach: str) -> None:
    pod = copy.deepcopy(next(iter(pods(chart.render()).values())))
    BREACHES[breach](pod["spec"], pod["spec"]["containers"][0])
    assert list(violations(pod))


@matrix
def test_every_worker_has_a_disruption_budget_and_a_network_policy(chart: Chart, values: Path) -> None:
    objects = chart.render(values)
    policies = any(each["kind"] == "NetworkPolicy" for each in objects)
    for name, pod in pods(objects).items():
        assert len(selected(objects, "NetworkPolicy", pod)) == int(policies), name
        if pod["metadata"]["labels"]["app.kubernetes.io/component"] != "evaluation-server":
            assert len(selected(objects, "PodDisruptionBudget", pod)) == 1, name


@matrix
def test_kubernetes_waits_longer_than_the_worker_needs(chart: Chart, values: Path) -> None:
    for name, pod in pods(chart.render(values)).items():
        container = pod["spec"]["containers"][0]
        variables = {v["name"]: v.get("value") for v in container.get("env", [])}
        if "SAGAMESH_GRACE" not in variables:
            continue  # the evaluation server
        grace = float(variables["SAGAMESH_DRAIN"]) + float(variables["SAGAMESH_GRACE"])
        pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        waits = pod["spec"]["terminationGracePeriodSeconds"]
        assert waits > pause + grace + worker._LAST_WORD, name


def test_a_fraction_of_a_second_of_grace_is_waited_for(chart: Chart) -> None:
    found = pods(
        chart.render(values={"pools": {"orders": {"graceSeconds": 7.5, "drainSeconds": 0.5, "preStopSeconds": 2}}})
    )
    assert found["Deployment/shop-sagamesh-orders"]["spec"]["terminationGracePeriodSeconds"] == 2 + 1 + 8 + 3 + 2


@matrix
def test_workers_let_nobody_in_but_to_their_probes(chart: Chart, values: Path) -> None:
    for each in chart.render(values):
        if each["kind"] == "NetworkPolicy" and "sagamesh.dev/pool" in each["metadata"]["labels"]:
            assert set(each["spec"]["policyTypes"]) == {"Ingress", "Egress"}
            assert [rule["ports"] for rule in each["spec"]["ingress"]] == [[{"port": "probes"}]]
            assert all(rule.get("ports") for rule in each["spec"]["egress"])
