"""The contract of a task, and ids."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_agents.order import order
from sagamesh import Agent, Message, Task
from sagamesh.errors import DefinitionError, InvalidInput
from sagamesh.task import check_id, check_no_part, check_task_id
from tests.support.orders import order_request

ALLOWED = string.ascii_letters + string.digits + "._:@+-"


class Ping(Message):
    """In and out."""

    owner: str = "ada"


@pytest.mark.parametrize("task_id", ["1", "order-1", "A.b_c:d@e+f", "o" * 200])
def test_ids(task_id: str) -> None:
    assert check_task_id(task_id) == task_id


@given(st.text(alphabet=ALLOWED, min_size=1, max_size=200))
def test_ids_of_allowed_characters(task_id: str) -> None:
    if task_id[0] in string.ascii_letters + string.digits:
        assert check_task_id(task_id) == task_id
    else:
        with pytest.raises(InvalidInput):
            check_task_id(task_id)


@given(st.text(min_size=1).filter(lambda text: not set(text) <= set(ALLOWED)))
def test_ids_of_other_characters(task_id: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_task_id(task_id)

    assert [field.field for field in refused.value.fields] == ["id"]
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize(
    "task_id", ["", "o" * 201, "o" * 100_000, "-o", ".o", "o\n", "\u0661", "o\u0000", "o o", "o/o"]
)
def test_ids_that_would_break_a_key_a_url_or_a_file_name(task_id: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_task_id(task_id)

    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("part", ["sagamesh.breaker:payment", "sagamesh.lock:stock", "sagamesh.x", "sagamesh."])
def test_ids_of_the_frameworks_own_workflows(part: str) -> None:
    with pytest.raises(InvalidInput, match=r"must not begin with 'sagamesh\.'"):
        check_task_id(part)
    with pytest.raises(InvalidInput, match="is no task but a part of the framework"):
        check_no_part(part)
    assert check_id(part) == part


@pytest.mark.parametrize("task_id", ["sagamesh", "sagamesh-1", "o.sagamesh.lock:x", "order-1.supervisor"])
def test_ids_that_look_like_them_only(task_id: str) -> None:
    assert check_task_id(task_id) == task_id
    check_no_part(task_id)


def test_how_a_task_begins_to_be_findable() -> None:
    pairs = {pair.key.name: pair.value for pair in order.attributes(order_request())}

    assert pairs == {
        "SagameshStatus": "running",
        "SagameshAgents": ["accounts", "inventory", "payment", "notification"],
        "SagameshCustomer": "ada",
    }
    plain = Task("Plain", takes=Ping, returns=Ping, queue="q")
    assert [pair.key.name for pair in plain.attributes(Ping())] == ["SagameshStatus"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"name": ""}, "name"),
        ({"queue": ""}, "queue"),
        ({"takes": dict}, "takes"),
        ({"returns": str}, "returns"),
        ({"customer": "customer"}, "customer"),
    ],
    ids=str,
)
def test_contracts_that_are_none(changes: dict[str, Any], named: str) -> None:
    right: dict[str, Any] = {"name": "T", "takes": Ping, "returns": Ping, "queue": "q", "customer": "owner"}
    assert repr(Task(**right, uses=(Agent("a"),))) == "Task(T: Ping -> Ping)"

    with pytest.raises(DefinitionError, match=named):
        Task(**(right | changes))
