"""What every pod must keep to, whoever's values rendered it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["pods", "selected", "violations"]

_WORKLOADS = ("Deployment", "WorkerDeployment")
_PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
_SECRET = ("PASSWORD", "SECRET", "TOKEN", "_KEY", "DATABASE")


def pods(objects: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The pod template of every workload, by `kind/name`."""
    return {
        f"{each['kind']}/{each['metadata']['name']}": each["spec"]["template"]
        for each in objects
        if each["kind"] in _WORKLOADS
    }


def selected(objects: Iterable[Mapping[str, Any]], kind: str, pod: Mapping[str, Any]) -> list[str]:
    """The names of the objects of this kind that select the pod: PodDisruptionBudget, NetworkPolicy."""
    field = "podSelector" if kind == "NetworkPolicy" else "selector"
    labels = pod["metadata"]["labels"].items()
    return [
        each["metadata"]["name"]
        for each in objects
        if each["kind"] == kind and each["spec"][field]["matchLabels"].items() <= labels
    ]


def violations(pod: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a pod, one sentence each."""
    spec = pod["spec"]
    security = spec.get("securityContext", {})
    if not security.get("runAsNonRoot") or not security.get("runAsUser") or not security.get("runAsGroup"):
        yield "it may run as root"
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "every system call is open to it"
    if spec.get("automountServiceAccountToken", True):
        yield "it gets a token for the cluster"
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield f"{field} is set"
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        yield from (f"{container['name']}: {problem}" for problem in _of_container(container))


def _of_container(container: Mapping[str, Any]) -> Iterator[str]:
    image, _, tag = container["image"].rpartition(":")
    if not image or "/" in tag or tag == "latest":
        yield f"the image {container['image']} has no version"
    for bound in ("requests", "limits"):
        for what in ("cpu", "memory"):
            if not container.get("resources", {}).get(bound, {}).get(what):
                yield f"no {what} in {bound}"
    yield from (f"no {probe}" for probe in _PROBES if probe not in container)
    security = container.get("securityContext", {})
    if security.get("allowPrivilegeEscalation", True) or security.get("privileged"):
        yield "it may gain privileges"
    if not security.get("readOnlyRootFilesystem"):
        yield "its files may be changed"
    if security.get("capabilities", {}) != {"drop": ["ALL"]}:
        yield "it keeps capabilities"
    for variable in container.get("env", []):
        if variable["name"].endswith(_SECRET) and "value" in variable:
            yield f"the value of {variable['name']} can be read by whoever sees the pod"
