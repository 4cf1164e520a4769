"""The compose file and the plain manifests: valid, complete, and up to date."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

import mesh_workers
from sagamesh import worker
from tests.support.charts import ROOT
from tests.support.kinds import problems
from tests.support.pods import pods, violations

COMPOSE = ROOT / "deploy" / "compose.yaml"
MANIFESTS = ROOT / "deploy" / "manifests" / "sagamesh.yaml"


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    return found


def check(compose: Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("check-jsonschema", path=sysconfig.get_path("scripts"))
    assert program is not None, "check-jsonschema is not installed: scripts/setup"
    return subprocess.run(
        [program, "--builtin-schema", "vendor.compose-spec", str(compose)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_compose_file_fits_its_schema(tmp_path: Path) -> None:
    done = check(COMPOSE)
    assert done.returncode == 0, done.stdout
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(COMPOSE.read_text(encoding="utf-8").replace("restart:", "restarts:"), encoding="utf-8")
    assert check(wrong).returncode == 1


def test_every_pool_and_helper_is_a_service(services: dict[str, dict[str, Any]]) -> None:
    app = mesh_workers.app
    served = [name for service in services.values() if service.get("command", [""])[0] == "worker"
              for name in service["command"][1:]]  # fmt: skip
    assert sorted(served) == sorted(app.pools)
    modules = {service["entrypoint"][-1] for service in services.values() if "entrypoint" in service}
    assert modules == {helper.module for helper in app.helpers}


def test_the_pools_are_told_what_the_embedded_stack_tells_them(services: dict[str, dict[str, Any]]) -> None:
    told = {name for service in services.values() for name in service.get("environment", {})}
    provided = {name for helper in mesh_workers.app.helpers for name in helper.provides}
    # For those who read what has arrived; the pools do not.
    assert (provided | set(mesh_workers.app.embedded)) - told == {"SAGAMESH_MAIL_SANDBOX"}


def test_no_service_runs_as_root_unlimited_unwatched_or_latest(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert not service["user"].startswith("0"), name
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["mem_limit"], name
        assert service["cpus"], name
        assert service["healthcheck"]["test"], name
        assert re.search(r":\d+\.\d+\.\d+$", service["image"]), name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name


def test_docker_waits_longer_than_the_worker_needs(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        if "SAGAMESH_GRACE" in service.get("environment", {}):
            grace = sum(float(service["environment"][f"SAGAMESH_{each}"]) for each in ("DRAIN", "GRACE"))
            assert float(service["stop_grace_period"].removesuffix("s")) > grace + worker._LAST_WORD, name


@pytest.mark.usefixtures("chart")  # the script needs a Helm, too
def test_the_manifests_are_what_the_chart_renders() -> None:
    done = subprocess.run(
        [str(ROOT / "scripts" / "manifests"), "--print"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == MANIFESTS.read_text(encoding="utf-8"), "run scripts/manifests"


def test_the_manifests_fit_their_schemas_and_the_policy() -> None:
    objects = [found for found in yaml.safe_load_all(MANIFESTS.read_text(encoding="utf-8")) if found]
    assert {f"{each['kind']} {each['metadata']['name']}": list(problems(each)) for each in objects} == {
        f"{each['kind']} {each['metadata']['name']}": [] for each in objects
    }
    assert {name: list(violations(pod)) for name, pod in pods(objects).items()} == {name: [] for name in pods(objects)}
