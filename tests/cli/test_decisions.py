"""`sagamesh approve`, `reject`, `operator`, `cancel`: what is done, and what is refused."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable

import pytest

from sagamesh.status import Stage
from tests.cli.shop import CommandLine, Shop, order_json

NewId = Callable[[], str]


@pytest.fixture
def asking(sagamesh: CommandLine, shop: Shop, new_id: NewId) -> str:
    """An order that waits for an approval."""
    task_id = new_id()
    assert sagamesh("start", "Order", "-i", "-", "--id", task_id, stdin=order_json(90)).code == 0
    shop.reaches(task_id, Stage.AWAITING_APPROVAL)
    return task_id


@pytest.fixture
def stuck(sagamesh: CommandLine, shop: Shop, new_id: NewId) -> str:
    """An order whose refund failed."""
    task_id = new_id()
    body = order_json(payment_method="pm_no_refund")
    assert sagamesh("start", "Order", "-i", "-", "--id", task_id, stdin=body).code == 0
    shop.reaches(task_id, Stage.NEEDS_OPERATOR)
    return task_id


@pytest.fixture
def done(sagamesh: CommandLine, new_id: NewId) -> str:
    """An order that is completed."""
    task_id = new_id()
    assert sagamesh("start", "Order", "-i", "-", "--wait", "--id", task_id, stdin=order_json()).code == 0
    return task_id


class TestApproval:
    def test_once(self, sagamesh: CommandLine, asking: str) -> None:
        ran = sagamesh("approve", asking, "--by", "boss", "--reason", "fine")
        assert (ran.code, ran.err) == (0, "")
        assert f"{asking} is approved by boss: 180.00 EUR is above the limit of ada" in ran.out
        assert sagamesh("show", asking, "--watch").code == 0
        again = sagamesh("approve", asking, "--by", "boss")
        assert (again.code, again.out) == (1, "")
        assert f"task {asking} has ended already: completed" in again.err

    def test_as_json(self, sagamesh: CommandLine, asking: str) -> None:
        ran = sagamesh("reject", asking, "--by", "boss", "--reason", "no", "--json")
        assert ran.code == 0
        assert (ran.json["id"], ran.json["approved"], ran.json["by"], ran.json["reason"]) == (
            asking,
            False,
            "boss",
            "no",
        )

    def test_an_answer_that_comes_second(self, sagamesh: CommandLine, shop: Shop, new_id: NewId) -> None:
        task_id = new_id()
        body = order_json(90, payment_method="pm_down")
        sagamesh("start", "Order", "-i", "-", "--id", task_id, stdin=body)
        shop.reaches(task_id, Stage.AWAITING_APPROVAL)
        assert sagamesh("approve", task_id, "--by", "ann").code == 0
        ran = sagamesh("reject", task_id, "--by", "bob", "--json")
        assert (ran.code, ran.out) == (1, "")
        error = json.loads(ran.err)["error"]
        assert (error["type"], error["reason"]) == ("Refused", "AlreadyDecided")
        assert "ann has approved it already" in error["message"]
        assert sagamesh("cancel", task_id, "--wait").code == 0

    def test_nothing_was_asked(self, sagamesh: CommandLine, stuck: str) -> None:
        ran = sagamesh("approve", stuck)
        assert (ran.code, ran.out) == (1, "")
        assert "the task waits for no approval" in ran.err

    def test_who_decides(self, sagamesh: CommandLine, asking: str) -> None:
        sagamesh.extra["SAGAMESH_USER"] = "grace"
        assert sagamesh("approve", asking, "--json").json["by"] == "grace"

    def test_who_decides_by_default(self, sagamesh: CommandLine, asking: str) -> None:
        assert sagamesh("approve", asking, "--json").json["by"] == getpass.getuser()

    @pytest.mark.parametrize("command", ["approve", "reject"])
    def test_an_unknown_id(self, sagamesh: CommandLine, command: str) -> None:
        ran = sagamesh(command, "never-was")
        assert ran.code == 2
        assert "no task has the id never-was" in ran.err


class TestOperator:
    def test_what_waits(self, sagamesh: CommandLine, stuck: str) -> None:
        ran = sagamesh("operator", stuck)
        assert ran.code == 0
        assert "payment.charge: its undo failed: PaymentRefused: payment.refund: the gateway refuses" in ran.out
        assert f"sagamesh operator {stuck} STEP --retry" in ran.out
        [waiting] = sagamesh("operator", stuck, "--json").json
        assert (waiting["step"], waiting["failure"]["type"], waiting["attempts"]) == (
            "payment.charge",
            "PaymentRefused",
            1,
        )

    def test_nothing_waits(self, sagamesh: CommandLine, done: str) -> None:
        assert sagamesh("operator", done).out == f"No step of {done} waits for an operator.\n"
        assert sagamesh("operator", done, "--json").json == []

    @pytest.mark.parametrize(("action", "outcome"), [("--skip", "skipped"), ("--resolve", "resolved")])
    def test_the_last_word(self, sagamesh: CommandLine, stuck: str, action: str, outcome: str) -> None:
        ran = sagamesh("operator", stuck, "payment.charge", action, "--by", "olga", "--reason", "paid back in cash")
        assert ran.code == 0
        sagamesh("show", stuck, "--watch")
        shown = sagamesh("show", stuck, "--json").json
        assert {"step": "payment.charge", "outcome": outcome, "by": "olga", "reason": "paid back in cash"} in (
            shown["failure"]["undone"]
        )
        [charge] = [e for e in shown["entries"] if (e["kind"], e["name"]) == ("step", "payment.charge")]
        assert charge["undone"] == outcome

    def test_a_step_that_waits_for_nothing(self, sagamesh: CommandLine, stuck: str) -> None:
        ran = sagamesh("operator", stuck, "inventory.reserve", "--retry", "--json")
        assert ran.code == 1
        error = json.loads(ran.err)["error"]
        assert error["reason"] == "NoDecisionNeeded"
        assert "waiting: payment.charge" in error["message"]

    def test_a_result_is_sent_and_the_task_says_whether_it_fits(self, sagamesh: CommandLine, stuck: str) -> None:
        given = ("--resolve", "--reason", "by phone", "--result", "-", "--json")
        ran = sagamesh("operator", stuck, "payment.charge", *given, stdin='{"payment_id": "pi_1"}')
        assert (ran.code, json.loads(ran.err)["error"]["reason"]) == (1, "InvalidResult")
        for wrong in ("[1]", "{", "\xff"):
            assert sagamesh("operator", stuck, "payment.charge", *given, stdin=wrong).code == 2

    def test_a_task_that_has_ended(self, sagamesh: CommandLine, done: str) -> None:
        ran = sagamesh("operator", done, "payment.charge", "--retry")
        assert ran.code == 1
        assert "has ended already: completed" in ran.err

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("payment.charge",), "choose one of --retry, --skip and --resolve"),
            (("payment.charge", "--retry", "--skip"), "choose one of"),
            (("payment.charge", "--skip"), "to skip a step needs a reason"),
            (("payment.charge", "--resolve", "--reason", " "), "to resolve a step needs a reason"),
            (("--retry",), "name the step"),
            (("payment.charge", "--retry", "--by", " "), "say who decides"),
            (("payment.charge", "--retry", "--by", "x" * 201), "by: "),
            (("payment.charge", "--skip", "--reason", "x" * 2001), "reason: "),
            (("payment.charge", "--retry", "--result", "r.json"), "a result goes with --resolve only"),
            (("payment.charge", "--resolve", "--reason", "so", "--result", "no-such.json"), "cannot be read"),
            (("payment.charge", "--resolve", "--reason", "so", "--result", "/dev/null"), "is empty"),
        ],
    )
    def test_wrong_usage(self, alone: CommandLine, arguments: tuple[str, ...], said: str) -> None:
        ran = alone("operator", "order-1", *arguments)
        assert (ran.code, ran.out) == (2, "")
        assert said in ran.err


class TestCancel:
    def test_it_returns_at_once(self, sagamesh: CommandLine, asking: str) -> None:
        ran = sagamesh("cancel", asking)
        assert ran.code == 0
        assert ran.out == f"{asking} was asked to stop, and undoes what it did: sagamesh show {asking}\n"

    def test_waiting_until_all_is_undone(self, sagamesh: CommandLine, asking: str) -> None:
        ran = sagamesh("cancel", asking, "--wait", "--json", "--reason", "changed my mind")
        assert ran.code == 0
        assert (ran.json["id"], ran.json["status"]) == (asking, "cancelled")
        shown = sagamesh("show", asking, "--json").json
        assert shown["status"] == "cancelled"
        [request] = [entry for entry in shown["entries"] if entry["kind"] == "cancel"]
        assert request["by"].startswith(f"{getpass.getuser()}@")

    def test_past_the_point_of_no_return(self, sagamesh: CommandLine, shop: Shop, new_id: NewId) -> None:
        task_id = new_id()
        sagamesh("start", "Order", "-i", "-", "--id", task_id, stdin=order_json(customer="patient"))
        shop.until(lambda: shop.call(shop.client.find(task_id).status()).past_point_of_no_return)
        ran = sagamesh("cancel", task_id, "--json")
        assert (ran.code, ran.out) == (1, "")
        assert json.loads(ran.err)["error"]["reason"] == "PastPointOfNoReturn"
        shop.loop.call_soon_threadsafe(shop.mails.set)
        sagamesh("show", task_id, "--watch")
        shown = sagamesh("show", task_id, "--json").json
        assert shown["status"] == "completed"
        assert [e["state"] for e in shown["entries"] if e["kind"] == "cancel"] == ["refused"]

    def test_a_task_that_has_ended(self, sagamesh: CommandLine, done: str) -> None:
        ran = sagamesh("cancel", done)
        assert ran.code == 1
        assert f"task {done} has ended already: completed" in ran.err

    def test_an_unknown_id(self, sagamesh: CommandLine) -> None:
        ran = sagamesh("cancel", "never-was")
        assert ran.code == 2
        assert "no task has the id never-was" in ran.err

    def test_a_part_of_the_framework_is_left_alone(self, sagamesh: CommandLine) -> None:
        ran = sagamesh("cancel", "sagamesh.breaker:payment")
        assert (ran.code, ran.out) == (2, "")
        assert "is no task but a part of the framework: `sagamesh breaker` opens and closes breakers" in ran.err
