"""The figures of the mesh: what is counted, and that an old reading is not shown."""

from __future__ import annotations

from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from sagamesh import Agent, Mesh, Message
from sagamesh.discovery import Kind, QueueState
from sagamesh.metrics.mesh import MeshCollector, TaskCount, active_agents


class Thing(Message):
    """Taken and given back."""


def _mesh() -> Mesh:
    desk = Agent("desk")
    desk.capability("read", takes=Thing, returns=Thing)
    desk.capability("send", takes=Thing, returns=Thing, provider=desk.provider("post"))
    return Mesh(desk, desk.in_zone("eu"))


MESH = _mesh()


def queue(name: str, *workers: str, kind: Kind = "agent", backlog: int = 0, oldest: float = 0) -> QueueState:
    return QueueState(
        serves=name,
        kind=kind,
        queue=name,
        workers=workers,
        last_seen=None,
        backlog=backlog,
        oldest=timedelta(seconds=oldest),
        added=0,
        dispatched=0,
    )


@pytest.mark.parametrize(
    ("states", "read", "send"),
    [
        pytest.param([], 0, 0, id="nobody"),
        pytest.param([queue("desk", "1@a", "2@a")], 2, 0, id="two processes"),
        pytest.param([queue("desk", "1@a"), queue("desk.eu", "1@b")], 2, 0, id="of two zones"),
        pytest.param([queue("desk", "1@a"), queue("desk.eu", "1@a")], 1, 0, id="one process for two zones"),
        pytest.param(
            [queue("desk", "1@a"), queue(MESH.agent("desk").queues[1], "1@a", "2@a", kind="provider")],
            1,
            2,
            id="a provider's queue",
        ),
        pytest.param([queue("desk", "1@a", kind="tasks")], 0, 0, id="who hosts tasks on a queue of that name"),
    ],
)
def test_active_agents(states: list[QueueState], read: int, send: int) -> None:
    assert active_agents(MESH, states) == {"desk.read": read, "desk.send": send}


def ages(queues: float, tasks: float) -> dict[tuple[str, ...], float]:
    age = "sagamesh_mesh_reading_age_seconds"
    return {(age, "queues"): queues, (age, "tasks"): tasks}


def test_a_reading_lasts_only_so_long_and_always_has_its_age() -> None:
    now = 100.0
    registry = CollectorRegistry()
    collector = MeshCollector(MESH, lasting=30, clock=lambda: now)
    registry.register(collector)

    def figures() -> dict[tuple[str, ...], float]:
        samples = [sample for family in registry.collect() for sample in family.samples]
        return {(sample.name, *sample.labels.values()): sample.value for sample in samples}

    now = 107.0
    assert figures() == ages(7, 7), "nothing was read yet"

    collector.queues.tell([queue("desk", "1@a", backlog=3, oldest=1.5), queue("jobs", kind="tasks", backlog=4)])
    of_queues: dict[tuple[str, ...], float] = {
        ("orchestrator_active_agents", "desk.read"): 1,
        ("orchestrator_active_agents", "desk.send"): 0,
        ("orchestrator_queue_size",): 7,
        ("sagamesh_queue_backlog", "desk", "agent"): 3,
        ("sagamesh_queue_backlog", "jobs", "tasks"): 4,
        ("sagamesh_queue_backlog_age_seconds", "desk", "agent"): 1.5,
        ("sagamesh_queue_backlog_age_seconds", "jobs", "tasks"): 0,
    }
    assert figures() == {**of_queues, **ages(0, 7)}

    now = 117.0
    collector.tasks.tell([TaskCount("Job", open=5, need_operator=2)])
    of_tasks: dict[tuple[str, ...], float] = {
        ("sagamesh_tasks_open", "Job"): 5,
        ("sagamesh_tasks_need_operator", "Job"): 2,
    }
    now = 137.0
    assert figures() == {**of_queues, **of_tasks, **ages(30, 20)}

    now = 138.0
    assert figures() == {**of_tasks, **ages(31, 21)}, "the server was not heard of for too long"
