"""How attempts are classed, and what a process may use."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import psutil
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from temporalio.exceptions import ApplicationError, CancelledError

from sagamesh import BusinessError, RetryLater
from sagamesh.fallback import BREAKER_OPEN
from sagamesh.health.process import Health
from sagamesh.metrics.calls import Status, status_of
from sagamesh.metrics.usage import UsageCollector, allowed_cpus, allowed_memory
from sagamesh.settings import WorkerSettings, read_settings


class Declined(BusinessError):
    """A final answer."""


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OSError("no route"), "failed"),
        (RetryLater("busy"), "failed"),
        (ApplicationError("no such thing", non_retryable=True), "failed"),
        (Declined("no"), "declined"),
        (ApplicationError("open", type=BREAKER_OPEN), "refused"),
        (ApplicationError("open", type=BREAKER_OPEN, non_retryable=True), "refused"),
        (asyncio.CancelledError(), "cancelled"),
        (CancelledError("cancelled"), "cancelled"),
        (KeyboardInterrupt(), "failed"),
    ],
)
def test_status(error: BaseException, status: Status) -> None:
    assert status_of(error) == status


@pytest.mark.parametrize(
    ("text", "cpus"),
    [("50000 100000", 0.5), ("max 100000", None), ("99999999 100000", None), ("", None), ("nonsense", None)],
)
def test_cpus_of_a_container(tmp_path: Path, text: str, cpus: float | None) -> None:
    (tmp_path / "cpu.max").write_text(text + "\n", encoding="ascii")

    assert allowed_cpus(tmp_path) == (cpus if cpus is not None else allowed_cpus(tmp_path / "none"))


@pytest.mark.parametrize(("text", "limit"), [("134217728", 134217728), ("max", None), ("9" * 18, None), ("", None)])
def test_memory_of_a_container(tmp_path: Path, text: str, limit: int | None) -> None:
    (tmp_path / "memory.max").write_text(text + "\n", encoding="ascii")

    assert allowed_memory(tmp_path) == (limit if limit is not None else psutil.virtual_memory().total)


def test_usage_is_of_the_last_seconds_and_of_every_agent(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("50000 100000\n", encoding="ascii")
    (tmp_path / "memory.max").write_text(f"{psutil.Process().memory_info().rss * 2}\n", encoding="ascii")
    now = 0.0
    agents: list[str] = []
    registry = CollectorRegistry()
    registry.register(UsageCollector(lambda: agents, cgroup=tmp_path, clock=lambda: now))

    def figures() -> dict[str, float]:
        samples = [sample for family in registry.collect() for sample in family.samples]
        return {f"{sample.name} {sample.labels['agent_id']}": sample.value for sample in samples}

    assert figures() == {}
    agents += ["payment", "refunds"]
    used = psutil.Process().cpu_times()
    while sum(psutil.Process().cpu_times()[:2]) < sum(used[:2]) + 0.2:
        generate_latest(registry)
    now = 4.0
    assert figures()["system_cpu_usage payment"] == 0, "not averaged over less than five seconds"
    now = 10.0
    found = figures()

    assert found["system_cpu_usage payment"] == found["system_cpu_usage refunds"]
    # At least 0.2 s of CPU in 10 s, of half a CPU.
    assert 3.9 < found["system_cpu_usage payment"] < 100
    assert found["system_memory_usage payment"] == pytest.approx(50, abs=5)


def test_without_the_extra_the_probes_are_there_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in [name for name in sys.modules if name.startswith(("prometheus_client", "psutil", "sagamesh.metrics"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)

    health = Health(read_settings(WorkerSettings), None)

    assert "install sagamesh[metrics]" in caplog.text
    assert health.answer("/metrics").status == 200
    assert health.answer("/livez").status == 200
    assert health.answer("/readyz").body == "it has not begun to serve\n"
