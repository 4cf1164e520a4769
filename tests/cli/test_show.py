"""`sagamesh show`: what became of orders that went every way."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sagamesh.status import Stage
from tests.cli.shop import CommandLine, Shop, order_json

NewId = Callable[[], str]


@pytest.fixture
def ended(sagamesh: CommandLine, new_id: NewId) -> Callable[..., Any]:
    """Runs an order to its end, and returns what `show --json` says of it."""

    def run(price: int = 10, *, decide: tuple[str, ...] = (), **changed: Any) -> Any:
        task_id = new_id()
        process = sagamesh.popen(
            "start", "Order", "-i", "order.json", "--wait", "--id", task_id, body=order_json(price, **changed)
        )
        if decide:
            assert process.stderr is not None
            while "waits for approval" not in process.stderr.readline():
                assert process.poll() is None
            assert sagamesh(decide[0], task_id, *decide[1:]).code == 0
        process.communicate(timeout=60)
        return sagamesh("show", task_id, "--json").json

    return run


def told(shown: Any, *facts: str) -> list[list[Any]]:
    return [[entry[fact] for fact in facts] for entry in shown["entries"]]


STEPS = ["accounts.validate", "inventory.reserve", "payment.charge", "inventory.confirm", "notification.confirm_order"]


def test_done(ended: Callable[..., Any]) -> None:
    shown = ended()
    assert (shown["status"], shown["task"], shown["queue"], shown["customer"]) == (
        "completed",
        "Order",
        "orders",
        "ada",
    )
    assert told(shown, "kind", "name", "state", "attempts") == [["step", name, "done", 1] for name in STEPS]
    assert shown["result"]["payment_id"] == "pi_1"
    assert shown["input"]["total"] == "20.00"
    for entry in shown["entries"]:
        assert entry["queue_wait"] + entry["work"] == pytest.approx(entry["total"], abs=1e-5)
        assert 0 <= entry["total"] <= shown["duration"]


def test_declined(ended: Callable[..., Any]) -> None:
    shown = ended(payment_method="pm_declined")
    assert shown["status"] == "failed"
    assert told(shown, "kind", "name", "state", "undone") == [
        ["step", "accounts.validate", "done", None],
        ["step", "inventory.reserve", "done", "undone"],
        ["step", "payment.charge", "failed", "undone"],
        ["undo", "payment.charge", "done", None],
        ["undo", "inventory.reserve", "done", None],
    ]
    assert shown["entries"][2]["failure"]["type"] == "Declined"
    assert shown["failure"]["type"] == "Declined"
    assert [step["step"] for step in shown["failure"]["undone"]] == ["payment.charge", "inventory.reserve"]


def test_retried(ended: Callable[..., Any]) -> None:
    shown = ended(payment_method="pm_flaky")
    assert shown["status"] == "completed"
    [charge] = [entry for entry in shown["entries"] if entry["name"] == "payment.charge"]
    assert (charge["attempts"], charge["state"], charge["queue_wait"]) == (3, "done", None)
    assert charge["retried"] > charge["work"]
    assert charge["failure"]["type"] == "RetryLater"


def test_approved(ended: Callable[..., Any]) -> None:
    shown = ended(90, decide=("approve", "--by", "boss", "--reason", "good customer"))
    assert (shown["status"], shown["approved_by"]) == ("completed", ["boss"])
    assert [told for told in told(shown, "kind", "state", "by", "reason", "summary") if told[0] == "approval"] == [
        ["approval", "approved", "boss", "good customer", "180.00 EUR is above the limit of ada"]
    ]


def test_rejected(ended: Callable[..., Any]) -> None:
    shown = ended(90, decide=("reject", "--by", "boss", "--reason", "too much"))
    assert (shown["status"], shown["approved_by"]) == ("failed", [])
    assert (shown["failure"]["type"], shown["failure"]["message"]) == ("Rejected", "boss rejected it: too much")
    assert told(shown, "kind", "state")[2:] == [["approval", "rejected"], ["undo", "done"]]


def test_cancelled(ended: Callable[..., Any]) -> None:
    shown = ended(90, decide=("cancel", "--reason", "changed my mind"))
    assert (shown["status"], shown["failure"]) == ("cancelled", None)
    assert told(shown, "kind", "name", "state")[2:] == [
        ["approval", "approval", "cancelled"],
        ["cancel", "cancel", "done"],
        ["undo", "inventory.reserve", "done"],
    ]
    assert shown["entries"][3]["reason"] == "changed my mind"


def test_compensation_that_fails(sagamesh: CommandLine, shop: Shop, new_id: NewId) -> None:
    task_id = new_id()
    body = order_json(payment_method="pm_no_refund")
    sagamesh("start", "Order", "-i", "-", "--id", task_id, stdin=body)
    shop.reaches(task_id, Stage.NEEDS_OPERATOR)
    shown = sagamesh("show", task_id, "--json").json
    assert (shown["status"], shown["for_operator"]) == ("needs_operator", ["payment.charge"])
    text = sagamesh("show", task_id)
    assert f"{task_id}  needs operator for " in text.out
    assert f"sagamesh operator {task_id} payment.charge --retry | --skip | --resolve" in text.out

    assert sagamesh("operator", task_id, "payment.charge", "--retry", "--by", "olga").code == 0
    assert sagamesh("show", task_id, "--watch").code == 0
    shown = sagamesh("show", task_id, "--json").json
    assert (shown["status"], shown["for_operator"]) == ("failed", [])
    assert told(shown, "kind", "name", "state")[2:] == [
        ["step", "payment.charge", "failed"],
        ["undo", "payment.charge", "failed"],
        ["undo", "inventory.reserve", "done"],
        ["decision", "payment.charge", "done"],
        ["undo", "payment.charge", "done"],
    ]
    text = sagamesh("show", task_id)
    assert "operator: retry payment.charge" in text.out
    assert "by olga" in text.out
    assert "PaymentRefused: the gateway refuses to refund" in text.out


def test_a_call_between_two_attempts(sagamesh: CommandLine, shop: Shop, new_id: NewId) -> None:
    task_id = new_id()
    sagamesh("start", "Order", "-i", "-", "--id", task_id, stdin=order_json(payment_method="pm_down"))

    def charge() -> Any:
        entries = sagamesh("show", task_id, "--json").json["entries"]
        return next((entry for entry in entries if entry["name"] == "payment.charge"), {"state": ""})

    shop.until(lambda: charge()["state"] == "retrying")
    assert (charge()["attempts"], charge()["failure"]["type"]) == (1, "RetryLater")
    assert charge()["next_attempt"] is not None
    text = sagamesh("show", task_id).out
    assert "RetryLater: the gateway is down" in text
    assert "attempt 2 in 4 min " in text
    assert sagamesh("cancel", task_id, "--wait").code == 0


def test_no_worker_is_needed(sagamesh: CommandLine, shop: Shop, new_id: NewId) -> None:
    task_id = new_id()
    start = shop.client.temporal.start_workflow("Order", json.loads(order_json()), id=task_id, task_queue="nobody")
    shop.call(start)
    shown = sagamesh("show", task_id, "--json").json
    assert (shown["status"], shown["entries"], shown["queue"]) == ("running", [], "nobody")
    assert shown["worker_wait"] > 0
    shop.call(shop.client.temporal.get_workflow_handle(task_id).terminate(reason="enough"))
    ran = sagamesh("show", task_id)
    assert ran.code == 0
    assert "terminated" in ran.out
    assert "enough; nothing was undone" in ran.out


def test_watching_in_a_pipe_prints_once_it_has_ended(sagamesh: CommandLine, new_id: NewId) -> None:
    task_id = new_id()
    sagamesh("start", "Order", "-i", "-", "--id", task_id, stdin=order_json(90))
    process = sagamesh.popen("show", task_id, "--watch")
    assert sagamesh("approve", task_id).code == 0
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out.count(f"Order {task_id}  completed in ") == 1
    assert "awaiting approval" not in out


def test_an_unknown_id(sagamesh: CommandLine) -> None:
    ran = sagamesh("show", "never-was")
    assert (ran.code, ran.out) == (2, "")
    assert "no task has the id never-was" in ran.err
    ran = sagamesh("show", "never-was", "--json")
    assert json.loads(ran.err)["error"]["type"] == "TaskNotFound"
