"""The order task of the reference application under a supervisor, its agents faked by their contracts."""

from __future__ import annotations

import asyncio

import pytest

from mesh_agents import accounts, inventory, notification, payment
from mesh_agents.order import order
from sagamesh import Mesh
from sagamesh.errors import TaskFailed
from sagamesh.status import Stage
from sagamesh.supervision import supervisor_id
from sagamesh.system import system_worker
from tests.support.engine import Engine, Running
from tests.support.orders import EFFECTS, LARGE, order_request

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_terminated_while_it_waits_for_approval(cached_engine: Engine) -> None:
    engine, task_id = cached_engine, cached_engine.new_id()
    script = engine.script(task_id)
    mesh = Mesh(accounts.accounts, inventory.inventory, payment.payment, notification.notification)
    worker = system_worker(engine.temporal, mesh)
    assert worker is not None
    async with worker:
        handle = await engine.client.start(order, order_request(LARGE), id=task_id, supervised=True)
        running = Running(engine, handle, script)
        await running.reaches(Stage.AWAITING_APPROVAL)
        assert "inventory.reserve" in script.standing
        await running.temporal.terminate(reason="by mistake")

        async with asyncio.timeout(60):
            with pytest.raises(TaskFailed, match="by mistake") as failed:
                await engine.client.find(supervisor_id(task_id)).result()

    assert [str(step) for step in failed.value.failure.undone] == ["inventory.reserve undone"]
    assert not set(script.standing) & set(EFFECTS)
    assert script.races == []
