"""Orders that are none: refused for good, with the field's name, before anything happens; however they come."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from pydantic import BaseModel, ConfigDict, ValidationError
from temporalio import client as temporal
from temporalio.api.enums.v1 import EventType
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from mesh_agents.order import OrderRequest, OrderResult, order
from sagamesh import Client, Task
from sagamesh.errors import InvalidInput, TaskFailed
from sagamesh.failure import Failure, failure_of, field_problems
from tests.support.engine import Engine
from tests.support.orders import order_json

pytestmark = pytest.mark.asyncio(loop_scope="session")

LINE = {"sku": "tea-1", "quantity": 1, "unit_price": "25.00"}


def line(**changes: Any) -> dict[str, Any]:
    """An order of one line, with changes to that."""
    return order_json(lines=[LINE | changes])


@dataclass(frozen=True)
class Bad:
    """An input that is no order, and the fields that the refusal must name."""

    name: str
    body: Any
    fields: tuple[str, ...]


BAD = [
    Bad("zero quantity", line(quantity=0), ("lines[0].quantity",)),
    Bad("negative quantity", line(quantity=-1), ("lines[0].quantity",)),
    Bad("absurd quantity", line(quantity=10**30), ("lines[0].quantity",)),
    Bad("too large a quantity", line(quantity=10_001), ("lines[0].quantity",)),
    Bad("half an item", line(quantity=0.5), ("lines[0].quantity",)),
    Bad("quantity as text", line(quantity="1"), ("lines[0].quantity",)),
    Bad("quantity as a truth", line(quantity=True), ("lines[0].quantity",)),
    Bad("no lines", order_json(lines=[]), ("lines",)),
    Bad("lines that are none", order_json(lines="tea-1"), ("lines",)),
    Bad("too many lines", order_json(lines=[LINE | {"sku": f"s{n}"} for n in range(101)]), ("lines",)),
    Bad("one item in two lines", order_json(lines=[LINE, LINE], total="50.00"), ("lines[1].sku",)),
    Bad("unknown currency", order_json(currency="XXX"), ("currency",)),
    Bad("currency in small letters", order_json(currency="eur"), ("currency",)),
    Bad("no currency", order_json(currency=None), ("currency",)),
    Bad("too many decimals in the total", order_json(total="25.001"), ("total",)),
    Bad("too many decimals in a price", line(unit_price="25.001"), ("lines[0].unit_price",)),
    Bad("decimals in yen", order_json(currency="JPY", lines=[LINE | {"unit_price": "25.5"}], total="25.5"), ("total",)),
    Bad("total that does not match", order_json(total="24.99"), ("total",)),
    Bad("free of charge", order_json(lines=[LINE | {"unit_price": "0"}], total="0"), ("total",)),
    Bad("negative total", order_json(total="-25.00"), ("total",)),
    Bad("negative price", line(unit_price="-25.00"), ("lines[0].unit_price",)),
    Bad("total that is no number", order_json(total="NaN"), ("total",)),
    Bad("endless total", order_json(total="Infinity"), ("total",)),
    Bad("total as a broken fraction", order_json(total=25.000000000000004), ("total",)),
    Bad("total with an exponent", order_json(total="1E+40"), ("total",)),
    Bad("unknown field", order_json(discount="5.00"), ("discount",)),
    Bad("unknown field in a line", line(colour="red"), ("lines[0].colour",)),
    Bad("misspelled field", {**order_json(), "totals": "25.00"}, ("totals",)),
    Bad("odd SKU", line(sku="../../etc/passwd"), ("lines[0].sku",)),
    Bad("SKU with a line break", line(sku="tea-1\n"), ("lines[0].sku",)),
    Bad("empty SKU", line(sku=""), ("lines[0].sku",)),
    Bad("odd customer", order_json(customer="ada'; DROP TABLE users"), ("customer",)),
    Bad("endless customer", order_json(customer="a" * 65), ("customer",)),
    Bad("a card number with spaces", order_json(payment_method="4242 4242 4242 4242"), ("payment_method",)),
    Bad("no deadline", order_json(deadline_seconds=0), ("deadline_seconds",)),
    Bad("endless deadline", order_json(deadline_seconds=10**12), ("deadline_seconds",)),
    Bad("no time to approve", order_json(approval_timeout_seconds=-1), ("approval_timeout_seconds",)),
    Bad("nothing in it", {}, ("customer", "currency", "lines", "total", "payment_method")),
    Bad(
        "wrong in several places",
        order_json(lines=[LINE | {"quantity": 0}, LINE | {"sku": ""}], total="x"),
        ("lines[0].quantity", "lines[1].sku", "total"),
    ),
]

each_bad = pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)


class Stale(BaseModel):
    """An order as a caller sends it who was built against another version of the contract."""

    model_config = ConfigDict(extra="allow")


STALE = Task("Order", takes=Stale, returns=OrderResult, queue=order.queue)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def foreign(cached_engine: Engine) -> temporal.Client:
    """A client that knows nothing of Sagamesh: no plugin, no pydantic."""
    return await temporal.Client.connect(cached_engine.address)


async def refused(handle: temporal.WorkflowHandle[Any, Any]) -> Failure:
    """The failure of a task that was refused; it was not tried twice."""
    with pytest.raises(temporal.WorkflowFailureError) as caught:
        await handle.result()
    kinds = [event.event_type async for event in handle.fetch_history_events()]
    assert EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED not in kinds
    assert EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED not in kinds
    assert kinds[-1] == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.non_retryable
    return failure_of(caught.value)


@each_bad
async def test_read_as_json(bad: Bad) -> None:
    with pytest.raises(ValidationError) as caught:
        OrderRequest.model_validate_json(json.dumps(bad.body))

    assert tuple(problem.field for problem in field_problems(caught.value)) == bad.fields


@each_bad
async def test_started_by_a_foreign_client(cached_engine: Engine, foreign: temporal.Client, bad: Bad) -> None:
    task_id = cached_engine.new_id()
    handle = await foreign.start_workflow("Order", bad.body, id=task_id, task_queue="orders")

    failure = await refused(handle)

    assert failure.type == "InvalidInput"
    assert tuple(problem.field for problem in failure.fields) == bad.fields
    assert all(field in failure.message for field in bad.fields)
    assert cached_engine.script(task_id).log == []


@each_bad
async def test_started_by_the_typed_client(cached_engine: Engine, bad: Bad) -> None:
    task_id = cached_engine.new_id()
    handle = await cached_engine.client.start(STALE, Stale.model_validate(bad.body), id=task_id)

    with pytest.raises(TaskFailed) as caught:
        await handle.result()

    assert caught.value.failure.type == "InvalidInput"
    assert tuple(problem.field for problem in caught.value.failure.fields) == bad.fields
    assert cached_engine.script(task_id).log == []


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        [order_json(), order_json()],
        [order_json(), None],
        ["an order"],
        [5],
        [None],
        [[order_json()]],
        [True],
        [b"an order"],
        [json.dumps(order_json())],
    ],
    ids=lambda arguments: str(arguments)[:20],
)
async def test_not_one_object(cached_engine: Engine, foreign: temporal.Client, arguments: list[Any]) -> None:
    task_id = cached_engine.new_id()
    handle = await foreign.start_workflow("Order", args=arguments, id=task_id, task_queue="orders")

    failure = await refused(handle)

    assert failure.type == "InvalidInput"
    assert "OrderRequest" in failure.message
    assert cached_engine.script(task_id).log == []


@pytest.mark.parametrize(
    "task_id", ["../order", "an order", "o" * 201, "-order", "order\n", "ordér", "o/1", "o#1", "o?x=1", "'or'1"]
)
async def test_odd_ids(cached_engine: Engine, foreign: temporal.Client, task_id: str) -> None:
    """They would become part of keys, URLs, file names and headers."""
    handle = await foreign.start_workflow("Order", order_json(), id=task_id, task_queue="orders")

    failure = await refused(handle)

    assert failure.type == "InvalidInput"
    assert [problem.field for problem in failure.fields] == ["id"]
    assert cached_engine.script(task_id).log == []
    with pytest.raises(InvalidInput) as caught:
        await cached_engine.client.start(order, OrderRequest.model_validate(order_json()), id=task_id)
    assert [problem.field for problem in caught.value.fields] == ["id"]


@pytest.mark.parametrize("length", [1, 200])
async def test_ids_that_are_in_order(cached_engine: Engine, length: int) -> None:
    task_id = ("A.b_c:d@e+f-" * 17)[:length]
    running = await cached_engine.start(order, OrderRequest.model_validate(order_json()), id=task_id)

    assert (await running.done()).order_id == task_id


@pytest.mark.stack  # what takes the code a third of a second must not wait for the processor six times as long
async def test_wrong_in_every_one_of_many_lines(cached_engine: Engine, foreign: temporal.Client) -> None:
    """The refusal itself must fit into the history."""
    task_id = cached_engine.new_id()
    body = order_json(lines=[{"sku": "", "nonsense" * 5: 1}] * 20_000)
    handle = await foreign.start_workflow("Order", body, id=task_id, task_queue="orders")

    failure = await refused(handle)

    assert failure.type == "InvalidInput"
    assert len(failure.fields) == 21
    assert failure.fields[0].field == "lines[0].sku"
    assert failure.fields[-1].problem.endswith(" more")
    assert len(failure.message) < 10_000


@pytest.mark.parametrize(
    "body",
    [order_json(currency="X" * 1_000_000), order_json(**{"y" * 1_000_000: 1}), line(sku="z" * 1_000_000)],
    ids=["value", "name", "pattern"],
)
async def test_one_enormous_field(cached_engine: Engine, foreign: temporal.Client, body: dict[str, Any]) -> None:
    handle = await foreign.start_workflow("Order", body, id=cached_engine.new_id(), task_queue="orders")

    failure = await refused(handle)

    assert failure.type == "InvalidInput"
    assert len(failure.message) < 2_500


async def test_a_body_of_five_megabytes(cached_engine: Engine, foreign: temporal.Client) -> None:
    """More than the server takes from anybody, so it never becomes a task."""
    task_id = cached_engine.new_id()
    body = order_json(description="x" * 5_000_000)

    with pytest.raises((RPCError, ValueError)):
        await foreign.start_workflow("Order", body, id=task_id, task_queue="orders")
    with pytest.raises(InvalidInput):
        await Client(cached_engine.temporal).start(STALE, Stale.model_validate(body), id=task_id)
    with pytest.raises(RPCError, match="not found"):
        await foreign.get_workflow_handle(task_id).describe()


@pytest.mark.parametrize(
    "body",
    [
        order_json(total=25, lines=[LINE | {"unit_price": 25}]),
        order_json(total=25.0, lines=[LINE | {"unit_price": 25.00}]),
        order_json(total="2.5E+1", lines=[LINE]),
        order_json(currency="JPY", total="25", lines=[LINE | {"unit_price": 25}]),
        order_json(lines=[LINE | {"unit_price": "0.1", "quantity": 3}], total=0.3),
        order_json(deadline_seconds=None),
    ],
    ids=["whole", "float", "exponent", "yen", "0.1 * 3", "null deadline"],
)
async def test_what_other_languages_send_for_the_same_order(
    cached_engine: Engine, foreign: temporal.Client, body: dict[str, Any]
) -> None:
    handle = await foreign.start_workflow("Order", body, id=cached_engine.new_id(), task_queue="orders")

    result = await handle.result()

    assert result["total"]["currency"] == body["currency"]
