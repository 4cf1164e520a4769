"""`sagamesh start`: what is accepted, what is refused before anything is sent, and what waiting shows."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from typing import Any

import pytest

from sagamesh.converter import LARGEST_PAYLOAD
from sagamesh.status import Stage
from tests.cli.shop import CommandLine, Shop, order_json

NewId = Callable[[], str]


def start(sagamesh: CommandLine, *more: str, body: str | bytes | None = None) -> Any:
    return sagamesh("start", "Order", "--input", "-", *more, stdin=order_json() if body is None else body)


def test_it_says_the_id_and_what_to_do_next(sagamesh: CommandLine, new_id: NewId) -> None:
    ran = start(sagamesh, "--id", (task_id := new_id()))
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"Order {task_id} started\nWatch it: sagamesh show {task_id} --watch\n"


def test_as_json(sagamesh: CommandLine, new_id: NewId) -> None:
    ran = start(sagamesh, "--json", "--id", (task_id := new_id()))
    assert ran.code == 0
    assert {**ran.json, "run_id": ""} == {"id": task_id, "run_id": "", "task": "Order", "found": False, "link": ""}
    assert ran.json["run_id"]


def test_an_id_is_made_up(sagamesh: CommandLine) -> None:
    ids = [start(sagamesh, "--json").json["id"] for _ in range(2)]
    assert all(re.fullmatch(r"order-\d{8}-[a-z0-9]{8}", made) for made in ids)
    assert ids[0] != ids[1]


def test_from_a_file(sagamesh: CommandLine, new_id: NewId) -> None:
    # With the mark that some editors put before the first character.
    (sagamesh.folder / "order.json").write_bytes(b"\xef\xbb\xbf" + order_json().encode())
    assert sagamesh("start", "Order", "-i", "order.json", "--id", new_id()).code == 0


def test_a_timeout_is_for_a_supervised_task(sagamesh: CommandLine, new_id: NewId) -> None:
    ran = start(sagamesh, "--id", new_id(), "--timeout", "2h")
    assert ran.code == 2
    assert "timeout: only for a supervised task" in ran.err
    assert start(sagamesh, "--supervised", "--timeout", "soon").code == 2


def test_waiting_for_the_result(sagamesh: CommandLine, new_id: NewId) -> None:
    ran = start(sagamesh, "--wait", "--id", (task_id := new_id()))
    assert ran.code == 0
    assert ran.out.startswith(f"{task_id} completed\n")
    assert json.loads(ran.out.partition("\n")[2])["payment_id"] == "pi_1"
    assert "payment.charge done" in ran.err


def test_waiting_for_the_result_as_json(sagamesh: CommandLine, new_id: NewId) -> None:
    ran = start(sagamesh, "--wait", "--json", "--id", (task_id := new_id()))
    assert (ran.code, ran.err) == (0, "")
    assert (ran.json["id"], ran.json["status"], ran.json["failure"]) == (task_id, "completed", None)
    assert ran.json["result"]["order_id"] == task_id


@pytest.mark.parametrize(
    ("change", "kind", "undone"),
    [
        ({"payment_method": "pm_declined"}, "Declined", ["payment.charge", "inventory.reserve"]),
        ({"customer": "nobody"}, "UnknownUser", ["inventory.reserve"]),
    ],
)
def test_a_failure_is_exit_code_1(
    sagamesh: CommandLine, new_id: NewId, change: dict[str, Any], kind: str, undone: list[str]
) -> None:
    body = order_json(**change)
    task_id = new_id()
    ran = start(sagamesh, "--wait", "--json", "--id", task_id, body=body)
    assert ran.code == 1
    assert (ran.json["status"], ran.json["failure"]["type"], ran.json["result"]) == ("failed", kind, None)
    assert [step["step"] for step in ran.json["failure"]["undone"]] == undone
    shown = start(sagamesh, "--wait", "--id", task_id, body=body)
    assert shown.code == 1
    assert f"{task_id} failed\n{kind}: " in shown.out
    assert f"undone: {', '.join(f'{step} undone' for step in undone)}" in shown.out
    assert f"sagamesh show {task_id}" in shown.out


def test_progress_shows_the_question_and_how_to_answer(sagamesh: CommandLine, shop: Shop, new_id: NewId) -> None:
    task_id = new_id()
    process = sagamesh.popen("start", "Order", "--input", "order.json", "--wait", "--id", task_id, body=order_json(90))
    seen = ""
    assert process.stderr is not None
    while "waits for approval" not in seen:
        line = process.stderr.readline()
        assert line, seen
        seen += line
    assert f"waits for approval: 180.00 EUR is above the limit of ada. sagamesh approve {task_id}" in seen
    assert sagamesh("approve", task_id, "--by", "boss").code == 0
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "approved by boss" in err
    assert f"{task_id} completed" in out


def test_ctrl_c_ends_the_waiting_not_the_task(sagamesh: CommandLine, shop: Shop, new_id: NewId) -> None:
    task_id = new_id()
    process = sagamesh.popen("start", "Order", "--input", "order.json", "--wait", "--id", task_id, body=order_json(90))
    assert process.stderr is not None
    while "waits for approval" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"{task_id} goes on" in err
    assert "Traceback" not in err
    assert shop.call(shop.client.find(task_id).status()).stage is Stage.AWAITING_APPROVAL


def test_the_same_again_is_the_same_task(sagamesh: CommandLine, new_id: NewId) -> None:
    task_id = new_id()
    first = start(sagamesh, "--wait", "--json", "--id", task_id).json
    again = start(sagamesh, "--id", task_id)
    assert again.code == 0
    assert "was started before with this input; it is the same task" in again.out
    waited = start(sagamesh, "--wait", "--json", "--id", task_id).json
    assert waited["found"] is True
    assert (waited["run_id"], waited["result"]) == (first["run_id"], first["result"])


def test_another_input_under_the_same_id_is_refused(sagamesh: CommandLine, new_id: NewId) -> None:
    task_id = new_id()
    assert start(sagamesh, "--id", task_id).code == 0
    ran = start(sagamesh, "--id", task_id, body=order_json(11))
    assert (ran.code, ran.out) == (2, "")
    assert f"error: id {task_id} belongs to an earlier Order with another input" in ran.err


def test_the_priority_reaches_the_engine(sagamesh: CommandLine, shop: Shop, new_id: NewId) -> None:
    task_id = new_id()
    assert start(sagamesh, "--priority", "2", "--id", task_id).code == 0
    described = shop.call(shop.client.temporal.get_workflow_handle(task_id).describe())
    assert described.raw_description.workflow_execution_info.priority.priority_key == 2


LINE = {"sku": "book", "quantity": 2, "unit_price": "10.00"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "standard input is empty; Order takes the JSON of OrderRequest"),
        ('{"customer": "ada",\n  "currency" "EUR"}', "line 2 column 14"),
        ("{", "is no JSON"),
        (b'{"customer": "\xff"}', "is no UTF-8 text: byte 15 is 0xff"),
        ("[1, 2]", "should be an object"),
        (order_json(lines=[{**LINE, "quantity": 0}]), "lines[0].quantity: "),
        (order_json(lines=[{**LINE, "quantity": -1}]), "lines[0].quantity: "),
        (order_json(lines=[{**LINE, "quantity": 10**9}]), "lines[0].quantity: "),
        (order_json(lines=[]), "lines: "),
        (order_json(lines=[{**LINE, "sku": "../../etc"}]), "lines[0].sku: "),
        (order_json(currency="DOGE"), "currency: "),
        (order_json(lines=[{**LINE, "unit_price": "10.001"}]), "lines[0].unit_price: "),
        (order_json(total="1.00"), "total: 1.00 does not match the lines, which add up to 20.00"),
        (order_json(colour="red"), "colour: "),
        (order_json(customer="ada lovelace"), "customer: "),
        ('{"customer": "ada"}', "total: Field required"),
        ("x" * (5 * 1024 * 1024), f"bytes; at most {LARGEST_PAYLOAD:,} fit into a task's input"),
    ],
    ids=[
        "empty",
        "no-json",
        "cut-short",
        "no-utf8",
        "a-list",
        "zero",
        "negative",
        "absurd",
        "no-lines",
        "odd-sku",
        "currency",
        "decimals",
        "total",
        "unknown-field",
        "odd-customer",
        "missing",
        "5MB",
    ],
)
def test_wrong_input_is_refused_before_anything_is_sent(alone: CommandLine, body: str | bytes, said: str) -> None:
    ran = start(alone, body=body)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert said in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("start", "Ordr", "--input", "order.json"), "no task is called 'Ordr'; did you mean Order?"),
        (("start", "Order", "--input", "missing.json"), "missing.json cannot be read: No such file or directory"),
        (("start", "Order", "--input", "."), ". cannot be read: Is a directory"),
        (("start", "Order", "--input", "big.json"), "big.json has 5,242,880 bytes; at most"),
        (("start", "Order", "--input", "order.json", "--id", "a b"), "id: 'a b' must be 1 to 200 letters"),
        (("start", "Order", "--input", "order.json", "--id", ""), "id: '' must be 1 to 200 letters"),
        (("start", "Order", "--input", "order.json", "--id", "sagamesh.lock:x"), "must not begin with 'sagamesh.'"),
        (("start", "Order", "--input", "order.json", "--priority", "6"), "--priority"),
        (("start", "Order", "--input", "order.json", "--priority", "high"), "--priority"),
        (("start", "Order"), "--input"),
        (("start",), "TASK"),
        (("strat", "Order"), "strat"),
    ],
)
def test_wrong_usage(alone: CommandLine, arguments: tuple[str, ...], said: str) -> None:
    (alone.folder / "order.json").write_text(order_json(), encoding="utf-8")
    (alone.folder / "big.json").write_bytes(b" " * (5 * 1024 * 1024))
    ran = alone(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("start", "--json"), "Missing argument 'TASK'"),
        (("explain", "--json"), "Missing argument 'ID'"),
        (("breaker", "open", "--json"), "Missing argument 'NAME'"),
        (("start", "Order", "--json", "--priority", "9"), "--priority"),
        (("operator", "order-1", "step", "--json"), "choose one of --retry, --skip and --resolve"),
        (("strat", "Order", "--json"), "strat"),
        (("--nonsense", "list", "--json"), "--nonsense"),
    ],
)
def test_wrong_usage_as_json(alone: CommandLine, arguments: tuple[str, ...], said: str) -> None:
    ran = alone(*arguments)
    assert (ran.code, ran.out) == (2, "")
    error = json.loads(ran.err)["error"]
    assert (error["type"], error["exit_code"]) == ("UsageError", 2)
    assert said in error["message"]


def test_a_refusal_as_json_names_the_fields(alone: CommandLine) -> None:
    lines = [{**LINE, "quantity": 0}, {**LINE, "unit_price": "x"}]
    ran = start(alone, "--json", body=order_json(lines=lines))
    assert (ran.code, ran.out) == (2, "")
    error = json.loads(ran.err)["error"]
    assert (error["type"], error["exit_code"]) == ("InvalidInput", 2)
    assert [field["field"] for field in error["fields"]][:2] == ["lines[0].quantity", "lines[1].unit_price"]


def test_a_folder_without_an_app(alone: CommandLine) -> None:
    alone.extra["SAGAMESH_APP"] = ""
    ran = start(alone)
    assert ran.code == 2
    assert "no app found: put [tool.sagamesh] app" in ran.err
