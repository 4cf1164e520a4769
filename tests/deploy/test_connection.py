"""What the chart tells the worker and asks it is what the SDK and the worker read and answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from temporalio.envconfig import ClientConfig
from temporalio.service import TLSConfig

from sagamesh.health.page import PATHS
from sagamesh.settings import WorkerSettings
from tests.support.charts import Chart
from tests.support.pods import pods

ADDRESS = {"address": "temporal.example.org:7233", "namespace": "shop"}


def variables(chart: Chart, temporal: dict[str, Any], mounts: Path) -> dict[str, str]:
    """What a worker finds in its environment, its mounted secrets lying under `mounts`, their content their path."""
    pod = pods(chart.render(values={"temporal": {**ADDRESS, **temporal}}))["Deployment/shop-sagamesh-orders"]["spec"]
    container = pod["containers"][0]
    for mount in container["volumeMounts"]:
        (mounts / mount["mountPath"].lstrip("/")).mkdir(parents=True)
    found = {}
    for each in container["env"]:
        value = each.get("value", "the secret")
        if each["name"].endswith("_PATH"):
            path = mounts / value.lstrip("/")
            path.write_text(value, encoding="utf-8")
            value = str(path)
        found[each["name"]] = value
    return found


@pytest.mark.parametrize(
    ("temporal", "expected"),
    [
        ({}, {"tls": None, "api_key": None}),
        ({"tls": {"enabled": True}}, {"tls": TLSConfig(), "api_key": None}),
        (
            {"tls": {"enabled": True, "serverName": "frontend", "caSecret": "theirs", "clientSecret": "mine"}},
            {
                "tls": TLSConfig(
                    domain="frontend",
                    server_root_ca_cert=b"/etc/temporal/ca/ca.crt",
                    client_cert=b"/etc/temporal/client/tls.crt",
                    client_private_key=b"/etc/temporal/client/tls.key",
                ),
                "api_key": None,
            },
        ),
        ({"tls": {"enabled": True}, "apiKey": {"secret": "key"}}, {"tls": TLSConfig(), "api_key": "the secret"}),
    ],
    ids=["plain", "tls", "mutual tls", "api key"],
)
def test_the_sdk_connects_as_the_values_say(
    chart: Chart, tmp_path: Path, temporal: dict[str, Any], expected: dict[str, Any]
) -> None:
    environment = variables(chart, temporal, tmp_path)
    config = ClientConfig.load_client_connect_config(disable_file=True, override_env_vars=environment)
    assert config.get("target_host") == ADDRESS["address"]
    assert config.get("namespace") == ADDRESS["namespace"]
    assert (config.get("tls") or None, config.get("api_key")) == (expected["tls"], expected["api_key"])


def test_the_worker_knows_every_setting_that_the_chart_gives_it(
    chart: Chart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {name: value for name, value in variables(chart, {}, tmp_path).items() if name.startswith("SAGAMESH_")}
    fields = {f"SAGAMESH_{name.upper()}" for name in WorkerSettings.model_fields}
    assert set(given) <= fields
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = WorkerSettings()
    assert (settings.slots, settings.grace, settings.probe_port) == (10, 30, 9090)


def test_the_probes_ask_for_what_the_worker_answers(chart: Chart) -> None:
    values = {"probes": {"port": 9191, "startupSeconds": 45}, "monitoring": {"podMonitor": {"enabled": True}}}
    objects = chart.render(values=values)
    container = pods(objects)["Deployment/shop-sagamesh-orders"]["spec"]["containers"][0]
    probes = {name: container[f"{name}Probe"] for name in ("startup", "liveness", "readiness")}
    asked = {name: probe["httpGet"]["path"] for name, probe in probes.items()}
    assert asked == {"startup": "/startupz", "liveness": "/livez", "readiness": "/readyz"}
    (monitor,) = [each for each in objects if each["kind"] == "PodMonitor"]
    (read,) = monitor["spec"]["podMetricsEndpoints"]
    assert {*asked.values(), read["path"]} <= set(PATHS)
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert {ports[port] for port in (*(probe["httpGet"]["port"] for probe in probes.values()), read["port"])} == {9191}
    assert {"name": "SAGAMESH_PROBE_PORT", "value": "9191"} in container["env"]
    assert probes["startup"]["failureThreshold"] * probes["startup"]["periodSeconds"] >= 45
