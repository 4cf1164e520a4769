"""A task that nobody hosts: whoever asks it something is told so, and not left waiting."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from sagamesh import Client
from tests.cli.shop import APP, CommandLine, Shop, order_json


@pytest.fixture
def abandoned(sagamesh: CommandLine) -> CommandLine:
    """The command line of a project whose orders go to a queue that nobody polls."""
    text = APP.replace("tasks=(order,),", 'tasks=(replace(order, queue="deserted"),),')
    (sagamesh.folder / "shop_app.py").write_text(f"from dataclasses import replace\n{text}", encoding="utf-8")
    return sagamesh


def test_every_question_ends(abandoned: CommandLine, shop: Shop, new_id: Callable[[], str]) -> None:
    asked, cancelled = new_id(), new_id()
    for task_id in (asked, cancelled):
        assert abandoned("start", "Order", "-i", "-", "--id", task_id, stdin=order_json()).code == 0
    waiting = abandoned.popen("start", "Order", "-i", "order.json", "--wait", "--id", asked, body=order_json())
    approving = abandoned.popen("approve", cancelled, "--json")
    cancelling = abandoned.popen("cancel", cancelled, "--json")
    try:
        for process, said in ((approving, "no worker answered"), (cancelling, "will as soon as a worker")):
            out, err = process.communicate(timeout=60)
            assert (process.returncode, out) == (1, "")
            error = json.loads(err)["error"]
            assert (error["type"], error["reason"]) == ("Refused", "NoAnswer")
            assert said in error["message"]
        assert waiting.stderr is not None
        while "no worker answers; still waiting" not in (line := waiting.stderr.readline()):
            assert line, "it ended"
        assert waiting.poll() is None
    finally:
        for task_id in (asked, cancelled):
            shop.call(shop.client.temporal.get_workflow_handle(task_id).terminate())
        for process in (approving, cancelling, waiting):
            out, _ = process.communicate(timeout=60)
    assert waiting.returncode == 1
    assert f"{asked} failed" in out


def test_waiting_for_a_result_ends_after_its_time(shop: Shop, new_id: Callable[[], str]) -> None:
    async def wait(client: Client) -> None:
        task_id = new_id()
        started = await client.temporal.start_workflow("Order", id=task_id, task_queue="deserted")
        with pytest.raises(TimeoutError):
            await client.find(task_id).result(timeout=timedelta(milliseconds=200))
        await started.terminate()

    shop.call(wait(shop.client))
