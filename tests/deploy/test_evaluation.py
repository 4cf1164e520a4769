"""With the evaluation server the chart has all that its pools need: each opens with what its pod is told."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import pytest
import yaml
from sqlalchemy import make_url

import mesh_workers
from mesh_workers import ten, zones
from sagamesh import App
from sagamesh.settings import WorkerSettings, read_settings
from tests.support.charts import CHART, CI, ROOT, Chart
from tests.support.kinds import problems
from tests.support.pods import pods, selected, violations

APPS = {"mesh_workers:app": mesh_workers.app, "mesh_workers.ten:app": ten.app, "mesh_workers.zones:app": zones.app}
# The evaluation server has neither TLS nor API keys.
PLAIN = {"tls": {"enabled": False, "serverName": "", "caSecret": "", "clientSecret": ""}, "apiKey": {"secret": ""}}
EVALUATION: dict[str, Any] = {"evaluationServer": {"enabled": True}, "temporal": PLAIN}
SERVER_ONLY: dict[str, Any] = {**EVALUATION, "evaluationServer": {"enabled": True, "sandbox": {"enabled": False}}}

matrix = pytest.mark.parametrize("values", CI, ids=lambda path: path.stem.removesuffix("-values"))

Objects: TypeAlias = list[dict[str, Any]]


def workers(objects: Objects) -> dict[str, dict[str, Any]]:
    """The pod of each pool, by the pool's name."""
    found = {pod["metadata"]["labels"].get("sagamesh.dev/pool"): pod for pod in pods(objects).values()}
    return {name: pod for name, pod in found.items() if name}


def told(objects: Objects, pod: Mapping[str, Any]) -> dict[str, str]:
    """The variables of a pool's container, as the kubelet makes them; of references, what this release has."""
    held = {each["metadata"]["name"]: each["stringData"] for each in objects if each["kind"] == "Secret"}
    (container,) = pod["spec"]["containers"]
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        found |= held.get(source.get("secretRef", {}).get("name"), {})
    return found | {each["name"]: each["value"] for each in container["env"]}


def writable(pod: Mapping[str, Any]) -> list[PurePosixPath]:
    """Where a pool's container may write, and keeps what it wrote as long as its pod lives."""
    (container,) = pod["spec"]["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    fit = {each["name"] for each in pod["spec"]["volumes"] if {"emptyDir", "persistentVolumeClaim"} & set(each)}
    return [
        PurePosixPath(each["mountPath"])
        for each in container["volumeMounts"]
        if each["name"] in fit and not each.get("readOnly")
    ]


def policy(objects: Objects, pod: Mapping[str, Any]) -> dict[str, Any]:
    """The one NetworkPolicy of a pod."""
    (name,) = selected(objects, "NetworkPolicy", pod)
    (found,) = [
        each["spec"] for each in objects if each["kind"] == "NetworkPolicy" and each["metadata"]["name"] == name
    ]
    return dict(found)


def enter(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str], root: Path) -> None:
    """Make these the environment, with files under this root."""
    for name in [each for each in os.environ if each.startswith(("SAGAMESH_", "TEMPORAL_"))]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.replace("+aiosqlite:////", f"+aiosqlite:///{root}/"))


async def opened(app: App, pool: str) -> None:
    async with app.pool_factory(pool)():
        pass


@matrix
def test_every_pool_opens_with_what_its_pod_is_told(
    chart: Chart, values: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = chart.render(values, values=EVALUATION)
    found = workers(objects)
    app: App | None = None
    for name, pod in found.items():
        variables = told(objects, pod)
        app = APPS[variables.get("SAGAMESH_APP", "mesh_workers:app")]
        root = tmp_path / name
        for place in writable(pod):
            (root / place.relative_to("/")).mkdir(parents=True)
        for variable in (each for each in variables if each.endswith("_DATABASE")):
            file = PurePosixPath(make_url(variables[variable]).database or "")
            assert file.parent in writable(pod), f"{name}: {variable}"
        enter(monkeypatch, variables, root)
        read_settings(WorkerSettings)
        monkeypatch.chdir(root)
        for served in pod["spec"]["containers"][0]["args"]:
            if served != "--inline":
                asyncio.run(opened(app, served))
        assert {file.parent for file in root.rglob("*.db")} <= {
            root / place.relative_to("/") for place in writable(pod)
        }
    assert app is not None
    assert set(found) == set(app.pools)


@matrix
def test_the_pools_are_told_what_the_embedded_stack_tells_them(chart: Chart, values: Path) -> None:
    objects = chart.render(values, values=EVALUATION)
    pod = workers(objects)["payment"]
    variables = told(objects, pod)
    app = APPS[variables.get("SAGAMESH_APP", "mesh_workers:app")]
    (secret,) = [each["stringData"] for each in objects if each["kind"] == "Secret"]
    assert {name: secret[name] for name in app.embedded} == {
        name: value.replace("{dir}", "/data") for name, value in app.embedded.items()
    }
    provided = {name for helper in app.helpers for name in helper.provides}
    # For those who read what has arrived; the pools do not. And a login, as compose has it: none.
    others = (provided - {"SAGAMESH_MAIL_SANDBOX"}) | {"SAGAMESH_MAIL_USERNAME", "SAGAMESH_MAIL_PASSWORD"}
    assert set(secret) == set(app.embedded) | others


@matrix
def test_the_sandbox_is_where_the_pools_look_for_it_and_lets_them_in(chart: Chart, values: Path) -> None:
    objects = chart.render(values, values={**EVALUATION, "networkPolicy": {"enabled": True}})
    # Of the Secret, because a file of values may name a gateway of its own, and that wins.
    (secret,) = [each["stringData"] for each in objects if each["kind"] == "Secret"]
    gateway = urlsplit(secret["SAGAMESH_PAYMENT_URL"])
    mail = (secret["SAGAMESH_MAIL_HOST"], int(secret["SAGAMESH_MAIL_PORT"]))
    for pool, (host, port) in {"payment": (gateway.hostname, gateway.port), "notification": mail}.items():
        pod = workers(objects)[pool]
        services = {f"{each['metadata']['name']}.shop.svc": each for each in objects if each["kind"] == "Service"}
        service = services[host or ""]
        (target,) = [each["targetPort"] for each in service["spec"]["ports"] if each["port"] == port]
        (behind,) = [
            each
            for each in pods(objects).values()
            if service["spec"]["selector"].items() <= each["metadata"]["labels"].items()
        ]
        (container,) = behind["spec"]["containers"]
        assert {"name": target, "containerPort": port} in container["ports"]
        rules = policy(objects, pod)
        assert any(
            {"port": port} in rule["ports"]
            and any(
                to["podSelector"]["matchLabels"].items() <= behind["metadata"]["labels"].items()
                for to in rule.get("to", [])
                if "podSelector" in to
            )
            for rule in rules["egress"]
        )
        assert {"port": target} in policy(objects, behind)["ingress"][0]["ports"]


def test_the_sandbox_runs_as_compose_runs_it(chart: Chart) -> None:
    services = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))["services"]
    found = pods(chart.render(CHART / "ci" / "evaluation-values.yaml"))
    for name in ("gateway", "mailbox"):
        (container,) = found[f"Deployment/shop-sagamesh-sandbox-{name}"]["spec"]["containers"]
        assert container["command"] == services[name]["entrypoint"]
        assert container["args"] == services[name]["command"]
        assert container["image"] == "sagamesh-evaluation:0.1.0"


@matrix
def test_a_pool_with_its_own_sqlite_is_one_pod(chart: Chart, values: Path) -> None:
    objects = chart.render(values, values=EVALUATION)
    replicas = {each["spec"].get("replicas") for each in objects if each["kind"] in ("Deployment", "WorkerDeployment")}
    assert replicas == {1}
    assert not {each["kind"] for each in objects} & {
        "HorizontalPodAutoscaler",
        "ScaledObject",
        "WorkerResourceTemplate",
    }


@matrix
def test_what_is_added_keeps_to_the_schemas_and_the_policy(chart: Chart, values: Path) -> None:
    objects = chart.render(values, values=EVALUATION)
    names = [f"{each['kind']} {each['metadata']['name']}" for each in objects]
    assert sorted(names) == sorted(set(names))
    assert {name: list(problems(each)) for name, each in zip(names, objects, strict=True)} == {n: [] for n in names}
    found = pods(objects)
    assert {name: list(violations(pod)) for name, pod in found.items()} == {name: [] for name in found}


def test_what_a_person_gives_wins_over_the_sandbox(chart: Chart) -> None:
    mine = [{"secretRef": {"name": "mine"}}]
    (container,) = workers(chart.render(values={**EVALUATION, "defaults": {"envFrom": mine}}))["payment"]["spec"][
        "containers"
    ]
    assert container["envFrom"] == [{"secretRef": {"name": "shop-sagamesh-sandbox"}}, *mine]


def test_without_the_sandbox_there_is_the_server_alone(chart: Chart) -> None:
    objects = chart.render(values={**SERVER_ONLY, "defaults": {"scaling": {"mode": "hpa"}}})
    assert {name for name in pods(objects) if "sandbox" in name} == set()
    assert not [each for each in objects if each["kind"] == "Secret"]
    assert [each for each in objects if each["kind"] == "HorizontalPodAutoscaler"]
    pod = workers(objects)["payment"]
    assert writable(pod) == [PurePosixPath("/tmp")]  # noqa: S108
    assert "envFrom" not in pod["spec"]["containers"][0]


@pytest.mark.parametrize(
    ("values", "open_to"),
    [
        (EVALUATION, set()),
        (SERVER_ONLY, set()),
        ({**EVALUATION, "pools": {"orders": {"scaling": {"mode": "keda"}}}}, set()),  # one pod, without KEDA
        ({**SERVER_ONLY, "pools": {"orders": {"scaling": {"mode": "keda"}}}}, {"grpc"}),
        ({**EVALUATION, "versioned": {"enabled": True}}, {"grpc"}),
    ],
    ids=["sandbox", "server", "sandbox and keda", "server and keda", "versioned"],
)
def test_other_namespaces_reach_the_server_where_what_asks_it_lives_there(
    chart: Chart, values: dict[str, Any], open_to: set[str]
) -> None:
    objects = chart.render(values=values)
    assert [list(problems(each)) for each in objects if each["kind"] == "NetworkPolicy"] == [
        [] for each in objects if each["kind"] == "NetworkPolicy"
    ]
    ingress = policy(objects, pods(objects)["Deployment/shop-sagamesh-temporal"])["ingress"]
    by_source = {str(rule["from"]): {each["port"] for each in rule["ports"]} for rule in ingress}
    expected = {str([{"podSelector": {}}]): {"grpc", "ui"}, str([{"namespaceSelector": {}}]): open_to}
    assert by_source == {source: ports for source, ports in expected.items() if ports}


def test_the_guide_says_what_a_real_install_must_be_told() -> None:
    guide = (ROOT / "docs" / "howto" / "kubernetes.md").read_text(encoding="utf-8")
    table = guide.partition("## What the pools are told")[2].partition("## ")[0]
    assert [name for name in ten.app.databases.values() if f"`{name}`" not in table] == []
    assert [pool for pool in ten.app.pools if f"`{pool}`" not in table] == []
    assert "SAGAMESH_PAYMENT_KEY" in table
