"""`sagamesh list`: which tasks are found by which options."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from mesh_agents.order import OrderRequest, order
from sagamesh.attributes import CUSTOMER
from sagamesh.status import Stage
from tests.cli.shop import CommandLine, Shop, order_json


@pytest.fixture(scope="module")
def orders(shop: Shop) -> Mapping[str, str]:
    """Orders of a customer of this test's own, by what became of them."""

    async def start(name: str, price: int = 10, **changed: Any) -> str:
        request = OrderRequest.model_validate_json(order_json(price, **{"customer": "lister", **changed}))
        return (await shop.client.start(order, request, id=f"list-{name}")).id

    ids = {
        "completed": shop.call(start("done")),
        "failed": shop.call(start("declined", payment_method="pm_declined")),
        "awaiting_approval": shop.call(start("asking", 90)),
        "cancelled": shop.call(start("cancelled", 90)),
        "needs_operator": shop.call(start("stuck", payment_method="pm_no_refund")),
        "running": shop.call(start("retrying", payment_method="pm_down")),
        "terminated": shop.call(start("terminated", payment_method="pm_down")),
    }
    shop.reaches(ids["cancelled"], Stage.AWAITING_APPROVAL)
    shop.call(shop.client.find(ids["cancelled"]).cancel())
    shop.call(shop.client.temporal.get_workflow_handle(ids["terminated"]).terminate())

    async def found() -> dict[str, tuple[str, str]]:
        found = [summary async for summary in shop.client.list("SagameshCustomer = 'lister'")]
        return {summary.id: (summary.execution, summary.stage) for summary in found}

    settled = {
        ids["completed"]: ("completed", "completed"),
        ids["failed"]: ("failed", "failed"),
        ids["awaiting_approval"]: ("running", "awaiting_approval"),
        ids["cancelled"]: ("canceled", "cancelled"),
        ids["needs_operator"]: ("running", "needs_operator"),
        ids["running"]: ("running", "running"),
        ids["terminated"]: ("terminated", "running"),
    }
    # What the server lists follows what it does, some moments later.
    shop.until(lambda: shop.call(found()) == settled)
    return ids


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (
            (),
            {"completed", "failed", "awaiting_approval", "cancelled", "needs_operator", "running", "terminated"},
        ),
        (("--status", "completed"), {"completed"}),
        (("--status", "failed"), {"failed", "terminated"}),
        (("--status", "cancelled"), {"cancelled"}),
        (("--status", "awaiting_approval"), {"awaiting_approval"}),
        (("--status", "needs_operator"), {"needs_operator"}),
        (("--status", "running"), {"running"}),
        (("--status", "compensating"), set()),
        (("--needs-operator",), {"needs_operator"}),
        (("--task", "Order", "--status", "completed"), {"completed"}),
        (("--query", "ExecutionStatus = 'Completed' OR ExecutionStatus = 'Canceled'"), {"completed", "cancelled"}),
    ],
)
def test_filters(sagamesh: CommandLine, orders: Mapping[str, str], options: tuple[str, ...], found: set[str]) -> None:
    ran = sagamesh("list", "--customer", "lister", "--json", *options)
    assert (ran.code, ran.err) == (0, "")
    assert {row["id"] for row in ran.json} == {orders[name] for name in found}


def test_those_that_run_first_and_no_more_than_asked_for(sagamesh: CommandLine, orders: Mapping[str, str]) -> None:
    whole = sagamesh("list", "--customer", "lister", "--json").json
    assert [row["closed"] is None for row in whole] == sorted((row["closed"] is None for row in whole), reverse=True)
    ended = [row["closed"] for row in whole if row["closed"]]
    assert ended == sorted(ended, reverse=True)
    assert sagamesh("list", "--customer", "lister", "--json", "--limit", "2").json == whole[:2]


def test_a_row(sagamesh: CommandLine, orders: Mapping[str, str]) -> None:
    [row] = sagamesh("list", "--needs-operator", "--customer", "lister", "--json").json
    assert {**row, "run_id": "", "started": ""} == {
        "id": orders["needs_operator"],
        "run_id": "",
        "task": "Order",
        "execution": "running",
        "stage": "needs_operator",
        "status": "needs_operator",
        "customer": "lister",
        "needs_operator": True,
        "started": "",
        "closed": None,
    }


def test_as_a_table(sagamesh: CommandLine, orders: Mapping[str, str]) -> None:
    ran = sagamesh("list", "--customer", "lister")
    assert ran.code == 0
    head, *rows = ran.out.splitlines()
    assert head.split() == ["id", "task", "status", "customer", "started", "took"]
    assert len(rows) == len(orders)
    [stuck] = [row for row in rows if orders["needs_operator"] in row]
    assert "needs operator" in stuck


def test_nothing_matches(sagamesh: CommandLine) -> None:
    assert sagamesh("list", "--customer", "nobody-at-all").out == "No task matches.\n"
    assert sagamesh("list", "--customer", "nobody-at-all", "--json").json == []


def test_a_customer_with_an_apostrophe(sagamesh: CommandLine, shop: Shop, new_id: Callable[[], str]) -> None:
    attributes = TypedSearchAttributes([SearchAttributePair(CUSTOMER, "o'brien")])
    task_id = new_id()
    starting = shop.client.temporal.start_workflow(
        "Foreign", id=task_id, task_queue="nobody", search_attributes=attributes
    )
    shop.call(starting)
    shop.until(lambda: bool(sagamesh("list", "--customer", "o'brien", "--json").json))
    assert [row["id"] for row in sagamesh("list", "--customer", "o'brien", "--json").json] == [task_id]
    shop.call(shop.client.temporal.get_workflow_handle(task_id).terminate())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--task", "Ordr"), "did you mean Order?"),
        (("--status", "lost"), "--status"),
        (("--limit", "0"), "--limit"),
        (("--customer", 'say "x"'), "--customer is not valid: "),
        (("--customer", "back\\slash"), "--customer is not valid: "),
    ],
)
def test_wrong_usage(alone: CommandLine, arguments: tuple[str, ...], said: str) -> None:
    ran = alone("list", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


@pytest.mark.parametrize(
    ("query", "said"), [("foo bar", "syntax error"), ("Colour = 'red'", "invalid search attribute: Colour")]
)
def test_a_query_that_the_server_does_not_understand(sagamesh: CommandLine, query: str, said: str) -> None:
    ran = sagamesh("list", "--query", query, "--json")
    assert (ran.code, ran.out) == (2, "")
    error = json.loads(ran.err)["error"]
    assert error["type"] == "InvalidInput"
    assert said in error["message"]
