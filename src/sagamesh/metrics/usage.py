"""How much of its CPU and memory the process uses, in percent of what it may use."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import psutil
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

__all__ = ["UsageCollector", "allowed_cpus", "allowed_memory"]

_CGROUP: Final = Path("/sys/fs/cgroup")
_WINDOW: Final = 5.0
"""Seconds over which CPU time is averaged at least, however often somebody asks."""


def allowed_cpus(cgroup: Path = _CGROUP) -> float:
    """CPUs that the process may use: its container's limit, or those of the machine that it may run on."""
    try:
        here = float(len(os.sched_getaffinity(0)))
    except AttributeError:  # not on macOS
        here = float(os.cpu_count() or 1)
    quota, _, period = _read(cgroup / "cpu.max").partition(" ")
    return min(here, int(quota) / int(period)) if quota.isdigit() and period.isdigit() else here


def allowed_memory(cgroup: Path = _CGROUP) -> int:
    """Bytes of memory that the process may use: its container's limit, or the machine's memory."""
    here: int = psutil.virtual_memory().total
    limit = _read(cgroup / "memory.max")
    return min(here, int(limit)) if limit.isdigit() else here


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except OSError:
        return ""  # no container, or another kind


class UsageCollector(Collector):
    """`system_cpu_usage` and `system_memory_usage` of this process, for each agent that it serves.

    Agents that share a process share its figures, so they are not to be added up.
    """

    def __init__(
        self,
        agents: Callable[[], Iterable[str]],
        *,
        cgroup: Path = _CGROUP,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._agents = agents
        self._cgroup = cgroup
        self._clock = clock
        self._process = psutil.Process()
        self._lock = threading.Lock()
        self._at = clock()
        self._used = self._cpu_seconds()
        self._cpu = 0.0

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Part of the library's interface."""
        memory = 100 * self._process.memory_info().rss / allowed_memory(self._cgroup)
        figures = {
            "system_cpu_usage": ("CPU of this process, in percent of what it may use", self._cpu_percent()),
            "system_memory_usage": ("Memory of this process, in percent of what it may use", memory),
        }
        for name, (meaning, value) in figures.items():
            family = GaugeMetricFamily(name, meaning, labels=("agent_id",))
            for agent in self._agents():
                family.add_metric((agent,), value)
            yield family

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Part of the library's interface: asked at registration, when nobody is served yet."""
        return ()

    def _cpu_percent(self) -> float:
        with self._lock:
            passed = self._clock() - self._at
            if passed >= _WINDOW:
                used = self._cpu_seconds()
                self._cpu = 100 * (used - self._used) / passed / allowed_cpus(self._cgroup)
                self._at += passed
                self._used = used
            return self._cpu

    def _cpu_seconds(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)
