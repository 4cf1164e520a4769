"""What every mesh runs beside its own tasks: the framework's workflows and activities, on a queue of their own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from sagamesh.breaker.gate import Gate
from sagamesh.breaker.keeper import BreakerKeeper
from sagamesh.locks.keeper import Lock, Locks
from sagamesh.mesh import Mesh
from sagamesh.routing.router import Router
from sagamesh.supervision.examiner import Examiner
from sagamesh.supervision.supervisor import Supervisor
from sagamesh.system_queue import SYSTEM_QUEUE

__all__ = ["SYSTEM_QUEUE", "system_worker"]


def system_worker(client: Client, mesh: Mesh) -> Worker | None:
    """The worker of the framework's own parts, not yet running; None while there are none."""
    workflows, activities = _workflows(), _activities(client, mesh)
    if not workflows and not activities:
        return None
    return Worker(
        client,
        task_queue=SYSTEM_QUEUE,
        workflows=workflows,
        activities=activities,
        # Never versioned: whatever deployment hosts tasks serves this queue, too, and keepers and locks outlive every
        # version. Tasks of any version reach it, since a queue without a current version goes to unversioned workers.
        # So these workflows must replay over releases, like tasks on an unversioned pool.
        # What a killed process had in its memory goes to another after this time instead of ten seconds.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
    )


def _workflows() -> list[type]:
    return [BreakerKeeper, Lock, Supervisor]


def _activities(client: Client, mesh: Mesh) -> list[Callable[..., Any]]:
    return [
        *Gate(client).activities,
        *Examiner(client).activities,
        *Locks(client).activities,
        *Router(client, mesh).activities,
    ]
