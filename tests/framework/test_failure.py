"""What is left of an error: readable, bounded, and never an error itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError, model_validator
from temporalio import exceptions
from temporalio.api.failure.v1 import Failure as StoredFailure
from temporalio.client import WorkflowFailureError
from temporalio.converter import DataConverter, DefaultFailureConverter

from sagamesh import BusinessError, RetryLater, seconds
from sagamesh.converter import data_converter
from sagamesh.failure import Failure, FieldError, FieldProblem, UndoneStep, failed, failure_of, field_problems, small


class OutOfStock(BusinessError):
    """An answer."""


def through_the_wire(error: BaseException, converter: DataConverter = data_converter) -> BaseException:
    """The error as it arrives on the other side."""
    stored = StoredFailure()
    DefaultFailureConverter().to_failure(error, converter.payload_converter, stored)
    return DefaultFailureConverter().from_failure(stored, converter.payload_converter)


def from_agent(error: BaseException, step: str = "inventory.reserve") -> exceptions.ActivityError:
    """The error of an agent, as the engine gives it to a task."""
    wrapped = exceptions.ActivityError(
        "Activity task failed",
        scheduled_event_id=5,
        started_event_id=6,
        identity="i",
        activity_type=step,
        activity_id=step,
        retry_state=None,
    )
    wrapped.__cause__ = through_the_wire(error)
    return wrapped


def test_an_agents_answer() -> None:
    failure = failure_of(from_agent(OutOfStock("too few", sku="tea", on_hand=0)))

    assert failure == Failure(
        type="OutOfStock", message="too few", step="inventory.reserve", details={"sku": "tea", "on_hand": 0}
    )
    assert str(failure) == "OutOfStock: inventory.reserve: too few"


def test_an_agents_answer_is_final_and_no_incident() -> None:
    error = OutOfStock("too few")

    assert error.non_retryable
    assert error.category is exceptions.ApplicationErrorCategory.BENIGN
    assert not error.details


def test_an_agent_that_asks_to_come_back() -> None:
    error = RetryLater("busy", after=seconds(7))

    assert (error.type, error.next_retry_delay, error.non_retryable) == ("RetryLater", seconds(7), False)


def test_a_bug_of_an_agent() -> None:
    assert failure_of(from_agent(KeyError("sku"))) == Failure(
        type="KeyError", message="'sku'", step="inventory.reserve"
    )


@pytest.mark.parametrize("kind", list(exceptions.TimeoutType))
def test_no_answer_in_time(kind: exceptions.TimeoutType) -> None:
    failure = failure_of(from_agent(exceptions.TimeoutError("timed out", type=kind, last_heartbeat_details=[])))

    assert failure.type == "TimeoutError"
    assert kind.name.lower().replace("_", " ") in failure.message


@pytest.mark.parametrize(
    "error",
    [exceptions.TerminatedError("by hand"), exceptions.CancelledError("Cancelled"), exceptions.ServerError("no")],
)
def test_what_the_engine_says(error: exceptions.FailureError) -> None:
    assert failure_of(from_agent(error)).type == type(error).__name__


def test_a_task_keeps_its_own_failure_on_its_way_through_parents_and_clients() -> None:
    own = Failure(
        type="Declined",
        message="no",
        step="payment.charge",
        details={"code": "x"},
        undone=(UndoneStep(step="s", outcome="skipped", by="olga", reason="r"),),
    )
    child = exceptions.ChildWorkflowError(
        "child failed",
        namespace="n",
        workflow_id="w",
        run_id="r",
        workflow_type="t",
        initiated_event_id=1,
        started_event_id=2,
        retry_state=None,
    )
    child.__cause__ = through_the_wire(failed(own))

    assert failure_of(failed(own)) == own
    assert failure_of(child) == own
    assert failure_of(WorkflowFailureError(cause=child)) == own
    assert own.sentence == "payment.charge: no; s skipped by olga (r)"


@pytest.mark.parametrize(
    "details",
    [
        {"type": 7, "message": "m"},
        {"type": "T", "message": None},
        {"fields": 5},
        {"fields": ["a"]},
        {"fields": [{"field": "f"}]},
        {"fields": None},
        {5: 6},
        {"type": "T", "message": "m", "undone": "all"},
        [1, 2],
        "text",
        None,
    ],
    ids=str,
)
def test_details_of_any_shape(details: Any) -> None:
    error = exceptions.ApplicationError("odd", details, type="Odd")

    for seen in (error, from_agent(error)):
        failure = failure_of(seen)
        assert (failure.type, failure.message) == ("Odd", "odd")
        assert failure.fields == ()
        json.loads(failure.model_dump_json())


def test_details_of_an_agent_are_not_taken_for_a_failure() -> None:
    lookalike = {"type": "Other", "message": "m", "step": "elsewhere"}

    failure = failure_of(from_agent(exceptions.ApplicationError("odd", lookalike, type="Odd")))

    assert (failure.type, failure.step, failure.details) == ("Odd", "inventory.reserve", lookalike)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
likely_keys = st.sampled_from(["type", "message", "step", "details", "fields", "undone", "x"])


@given(st.lists(st.dictionaries(likely_keys, json_values) | json_values, max_size=3), st.text(), st.text() | st.none())
def test_whatever_an_agent_raises_is_a_failure(details: list[Any], message: str, kind: str | None) -> None:
    error = exceptions.ApplicationError(message, *details, type=kind)

    failure = failure_of(from_agent(error))

    assert failure.step == "inventory.reserve"
    assert failure.type == (kind or "ApplicationError")
    assert failure_of(failed(failure)) == failure


@pytest.mark.parametrize("size", [3_000, 1_000_000])
def test_what_is_too_long_is_cut(size: int) -> None:
    error = exceptions.ApplicationError("m" * size, {"page": "p" * 20_000, "code": 5}, type="T" * size)

    failure = failure_of(from_agent(error))

    assert failure.message.startswith("m" * 2_000)
    assert failure.message.endswith(f"({size - 2_000:,} more characters)")
    assert failure.details == {"code": 5, "omitted": ["page"]}
    assert len(failure.model_dump_json()) < 5_000


def test_many_small_details_are_bounded_too() -> None:
    error = exceptions.ApplicationError("m", {f"k{n}": "v" * 50 for n in range(10_000)}, type="T")

    assert len(failure_of(error).model_dump_json()) < 30_000


def test_a_cause_that_is_too_large_to_be_stored_is_left_out() -> None:
    assert small(from_agent(OutOfStock("m"))) is not None
    assert small(from_agent(OutOfStock("m" * 100_000))) is None
    assert small(ValueError("m")) is not None
    assert small(ValueError("m" * 100_000)) is None


class Inner(BaseModel):
    """Within."""

    quantity: int = Field(ge=1)
    names: dict[str, int] = {}


class Outer(BaseModel):
    """Around."""

    inner: Inner
    many: list[Inner] = Field([Inner(quantity=1)], min_length=1)
    pair: tuple[int, str] = (1, "")

    @model_validator(mode="after")
    def _alike(self) -> Outer:
        if self.pair[1] == "wrong":
            raise FieldError("pair[1]", "must not be wrong")
        if self.pair[1] == "odd":
            raise ValueError("is odd as a whole")
        return self


RIGHT: dict[str, Any] = {"inner": {"quantity": 1}, "many": [{"quantity": 1}]}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"inner": {"quantity": 0}}, ["inner.quantity: Input should be greater than or equal to 1"]),
        ({"inner": None}, ["inner: Input should be an object"]),
        ({"many": []}, ["many: List should have at least 1 item after validation, not 0"]),
        ({"many": [{"quantity": 0}]}, ["many[0].quantity: Input should be greater than or equal to 1"]),
        ({"many": [{"quantity": 1}, {}]}, ["many[1].quantity: Field required"]),
        (
            {"inner": {"quantity": 1, "names": {"a b": "x"}}},
            ["inner.names.a b: Input should be a valid integer, unable to parse string as an integer"],
        ),
        ({"pair": [1, "wrong"]}, ["pair[1]: must not be wrong"]),
        ({"pair": [1, "odd"]}, ["is odd as a whole"]),
    ],
    ids=str,
)
def test_fields_are_named_as_the_author_of_the_json_knows_them(changes: dict[str, Any], expected: list[str]) -> None:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate_json(json.dumps(RIGHT | changes))

    assert [str(problem) for problem in field_problems(caught.value)] == expected
    rooted = [problem.field for problem in field_problems(caught.value, root="order")]
    assert all(field.startswith("order") for field in rooted)


def test_what_is_no_json_is_a_problem_of_the_whole() -> None:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate_json("{")

    [problem] = field_problems(caught.value)
    assert problem.field == ""
    assert problem.problem.startswith("Invalid JSON")


def test_many_problems_are_counted() -> None:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate({"inner": {"quantity": 1, "names": {f"n{number}": "x" for number in range(500)}}})

    problems = field_problems(caught.value)

    assert len(problems) == 21
    assert problems[-1] == FieldProblem(field="", problem="and 480 more")


def test_a_secret_that_is_refused_is_not_repeated() -> None:
    with pytest.raises(ValidationError) as caught:
        Inner.model_validate({"quantity": "hunter2"})

    assert "hunter2" not in str(field_problems(caught.value))
