"""Who decided what, read from the server."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from sagamesh.audit import audit_all, audit_task
from sagamesh.cli.main import execute
from sagamesh.errors import TaskNotFound
from sagamesh.status import OperatorDecision, Stage
from tests.supervision.conftest import Supervised
from tests.supervision.shop import Wanted
from tests.support.engine import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_decisions_about_one_task_and_about_all(supervised: Supervised, monkeypatch: pytest.MonkeyPatch) -> None:
    client = supervised.client.temporal
    with pytest.raises(TaskNotFound):
        await audit_task(client, "nobody")
    began = datetime.now(UTC)
    task_id = supervised.new_id()
    supervised.books.refusals[task_id, "refund"] = 1
    handle = await supervised.begin(task_id, Wanted(hold="before pivot"))
    await supervised.did(task_id, "charge")
    await supervised.reset(task_id)
    await supervised.terminate(task_id)
    await supervised.reaches(task_id, Stage.NEEDS_OPERATOR)
    status = await supervised.supervisor(task_id).operator(
        OperatorDecision(step="shop.charge", action="skip", by="olga", reason="a gift")
    )
    await supervised.failure(task_id)
    other = supervised.new_id()
    handle = await supervised.begin(other, Wanted(hold="before pivot"))
    await supervised.did(other, "charge")
    await handle.cancel(reason="changed my mind")

    assert [(each.what, each.about, each.by, each.reason) for each in status.decisions] == [
        ("operator skip", "shop.charge", "olga", "a gift")
    ]

    async def listed() -> bool:  # the server's list lags behind its histories
        return {task_id, other} <= {each.task_id for each in (await audit_all(client, since=began, limit=100)).records}

    await eventually(listed)
    one = await audit_task(client, task_id)
    assert [(each.what, each.about, each.reason) for each in one.records] == [
        ("reset", one.records[0].about, "the test says so"),
        ("terminate", "", "the test says so"),
        ("operator skip", "shop.charge", "a gift"),
    ]
    assert one.records[0].about.startswith("run ")
    assert one.records[2].by == "olga"
    assert one.records[2].identity == client.identity
    everything = await audit_all(client, since=began, limit=1000)
    assert [each.what for each in everything.records if each.task_id == other] == ["cancel"]
    assert everything.complete
    assert not (await audit_all(client, since=began, limit=1)).complete
    later = datetime.now(UTC) + timedelta(hours=1)
    assert not (await audit_all(client, since=later, limit=1000)).records

    monkeypatch.setenv("TEMPORAL_ADDRESS", client.service_client.config.target_host)
    assert await asyncio.to_thread(execute, ["audit", task_id, "--json"]) == 0
    assert await asyncio.to_thread(execute, ["audit"]) == 0
    assert await asyncio.to_thread(execute, ["audit", "no-such-task"]) == 2
