"""Looking at locks from outside."""

from __future__ import annotations

import asyncio

import pytest

from sagamesh import Client
from sagamesh.cli.main import execute
from sagamesh.errors import Refused
from sagamesh.locks.look import look
from sagamesh.locks.messages import lock_id
from tests.locks import tasks
from tests.locks.tasks import Turn
from tests.locks.test_lock import held_by, new, start, waits

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_who_holds_and_who_waits(
    contended: Client, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    name = new("seen")
    holder = await start(contended, tasks.Holds.task, Turn(name=name, hold=True))
    await held_by(contended, name, holder.id)
    waiter = await start(contended, tasks.Visit.task, Turn(name=name))
    await waits(contended, name, waiter.id)

    [one] = await look(contended.temporal, name)
    assert one.holder is not None
    assert (one.holder.task_id, [each.task_id for each in one.waiting]) == (holder.id, [waiter.id])
    assert await look(contended.temporal, "nobody's") == []

    monkeypatch.setenv("TEMPORAL_ADDRESS", contended.temporal.service_client.config.target_host)
    capfd.readouterr()
    assert await asyncio.to_thread(execute, ["locks", name]) == 0
    assert await asyncio.to_thread(execute, ["locks", "nobody"]) == 0
    assert await asyncio.to_thread(execute, ["locks", name, "--json"]) == 0
    shown = capfd.readouterr().out
    assert holder.id in shown
    assert waiter.id in shown
    assert "The lock nobody is not in use." in shown
    await holder.cancel()
    await waiter.result()
    assert await look(contended.temporal, name) == []


async def test_something_else_has_taken_the_id_of_a_lock(
    contended: Client, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    name = new("taken")
    foreign = await contended.temporal.start_workflow("Stranger", id=lock_id(name), task_queue="nobody-hosts-this")
    with pytest.raises(Refused, match=f"a workflow of type Stranger has taken its id, {lock_id(name)}"):
        await look(contended.temporal, name)
    monkeypatch.setenv("TEMPORAL_ADDRESS", contended.temporal.service_client.config.target_host)
    assert await asyncio.to_thread(execute, ["locks", name]) == 1
    assert "Traceback" not in capfd.readouterr().err
    await foreign.terminate()
    assert await look(contended.temporal, name) == []
