"""A real Prometheus, a real Alertmanager, and promtool."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import yaml

from sagamesh.stack.ports import LOOPBACK, free_port

__all__ = ["Prometheus", "Sample", "alertmanager", "program", "promtool", "running"]

PATIENCE: Final = 120.0
"""Seconds after which something that a test waits for has not happened. Far more than anything takes."""
_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an answer, with its newest value."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Prometheus:
    """One that runs, at `url`."""

    url: str

    def query(self, expression: str) -> list[Sample]:
        """What the expression gives now."""
        data = self._get("query", {"query": expression})
        rows = [data["result"]] if data["resultType"] == "scalar" else data["result"]
        if data["resultType"] == "scalar":
            return [Sample({}, float(value)) for _, value in rows]
        return [Sample(row["metric"], float(row["value"][1])) for row in rows]

    def becomes(self, expression: str) -> list[Sample]:
        """What it gives, once it gives anything; for expressions that compare.

        Raises:
            AssertionError: when it never does.
        """
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if found := self.query(expression):
                return found
            time.sleep(0.2)
        raise AssertionError(f"never came true: {expression}")

    def series(self, *selectors: str) -> list[dict[str, str]]:
        """The labels of every series that one of the selectors names."""
        found: list[dict[str, str]] = self._get("series", {"match[]": list(selectors)})
        return found

    def _get(self, path: str, parameters: Mapping[str, Any]) -> Any:
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=dict(parameters), trust_env=False, timeout=30)
        document = answer.json()
        assert document["status"] == "success", f"{parameters}: {document['error']}"
        return document["data"]


def program(*names: str) -> str:
    """The first of these programs that is on PATH. Without any the test is skipped; in CI it fails."""
    for name in names:
        if found := shutil.which(name):
            return found
    reason = f"there is no {names[0]} on PATH: scripts/system-packages installs it"
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@contextmanager
def running(configuration: Mapping[str, Any], folder: Path, **options: object) -> Iterator[Prometheus]:
    """Start one that keeps all it has in the folder, and end it. `options` are further flags."""
    (folder / "prometheus.yml").write_text(yaml.safe_dump(dict(configuration)), encoding="utf-8")
    flags = {"config.file": folder / "prometheus.yml", "storage.tsdb.path": folder / "data", **options}
    with _serving(program("prometheus"), flags, folder / "prometheus.log") as url:
        yield Prometheus(url)


@contextmanager
def alertmanager(configuration: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """Start an Alertmanager that keeps all it has in the folder, and end it. Yields its address."""
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(dict(configuration)), encoding="utf-8")
    flags = {
        "config.file": folder / "alertmanager.yml",
        "storage.path": folder / "alertmanager",
        "cluster.listen-address": "",  # alone
    }
    with _serving(program("prometheus-alertmanager", "alertmanager"), flags, folder / "alertmanager.log") as url:
        yield url


@contextmanager
def _serving(path: str, options: Mapping[str, object], file: Path) -> Iterator[str]:
    with file.open("ab") as log:
        url, process = _started(path, options, log, file)
        try:
            yield url
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _started(path: str, options: Mapping[str, object], log: Any, file: Path) -> tuple[str, subprocess.Popen[bytes]]:
    for _ in range(_TRIES):
        address = f"{LOOPBACK}:{free_port()}"
        flags = {**options, "web.listen-address": address, "log.level": "warn"}
        command = [path, *(f"--{name}={value}" for name, value in flags.items())]
        process = subprocess.Popen(command, stderr=log, stdout=log)
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if httpx.get(f"http://{address}/-/ready", trust_env=False).status_code == httpx.codes.OK:
                    return f"http://{address}", process
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        process.kill()
        process.wait()
    raise AssertionError(f"{path} did not start: {file.read_text(encoding='utf-8')}")


def promtool(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run promtool."""
    words: Sequence[str] = [str(argument) for argument in arguments]
    return subprocess.run([program("promtool"), *words], input=stdin, capture_output=True, text=True, timeout=PATIENCE)
