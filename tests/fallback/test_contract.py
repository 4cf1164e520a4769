"""Which fallbacks a contract takes, and after which failures they are asked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ApplicationErrorCategory,
    CancelledError,
    RetryState,
    TimeoutError,
    TimeoutType,
)

from sagamesh import Agent, Breaker, BusinessError, Message
from sagamesh.degraded import Degradable, Degradation
from sagamesh.errors import DefinitionError
from sagamesh.fallback import Default, Kept, degrades


class Ask(Message):
    pass


class OtherAsk(Message):
    pass


class Said(Degradable):
    text: str = ""


class OtherSaid(Degradable):
    pass


class Sure(Message):
    pass


def _other(takes: Any = Ask, returns: Any = Said, name: str = "other", **options: Any) -> Any:
    return Agent(name).capability("say", takes=takes, returns=returns, **options)


def _declare(fallback: Any, returns: Any = Said, **options: Any) -> Any:
    return Agent("speaker").capability("say", takes=Ask, returns=returns, fallback=fallback, **options)


_SECOND = _other(name="second")
_FIRST = _other(name="first", fallback=_SECOND)


@pytest.mark.parametrize(
    ("fallback", "returns", "problem"),
    [
        (_other(), Sure, "Sure must be derived from sagamesh.Degradable"),
        (_other(takes=OtherAsk), Said, "fallback other.say takes OtherAsk and returns Said, not Ask and Said"),
        (_other(returns=OtherSaid), Said, "fallback other.say takes Ask and returns OtherSaid, not Ask and Said"),
        (Default(OtherSaid()), Said, "the default is a OtherSaid, not Said"),
        ([Default(Said()), Kept()], Said, "nothing can come after a default"),
        ([_FIRST, _SECOND], Said, "its fallbacks come to second.say twice"),
        ([_SECOND, _SECOND], Said, "its fallbacks come to second.say twice"),
        (_other(name="speaker"), Said, "its fallbacks come to speaker.say twice"),
    ],
)
def test_a_fallback_that_cannot_be_is_refused_with_the_name_of_the_contract(
    fallback: Any, returns: Any, problem: str
) -> None:
    with pytest.raises(DefinitionError, match=r"^speaker\.say") as caught:
        _declare(fallback, returns)
    assert problem in str(caught.value)


def test_a_kept_result_needs_an_age() -> None:
    with pytest.raises(DefinitionError, match="a kept result"):
        Kept(within=timedelta(0))


def test_with_a_breaker_a_caller_does_not_wait_for_a_held_queue() -> None:
    assert _declare(Default(Said()), breaker=Breaker()).policy.queue_timeout == timedelta(seconds=1)
    assert _declare(Default(Said())).policy.queue_timeout is None
    own = timedelta(seconds=7)
    assert _declare(Default(Said()), breaker=Breaker(), queue_timeout=own).policy.queue_timeout == own


class Refusal(BusinessError):
    pass


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (ApplicationError("down", type="Down"), True),
        (ApplicationError("down", type="Down", non_retryable=True), True),
        (ApplicationError("open", type="BreakerOpen", category=ApplicationErrorCategory.BENIGN), True),
        (TimeoutError("late", type=TimeoutType.SCHEDULE_TO_START, last_heartbeat_details=[]), True),
        (ApplicationError("nonsense", type="InvalidResult", non_retryable=True), True),
        (Refusal("no"), False),
        (ApplicationError("bad", type="InvalidInput", non_retryable=True), False),
        (ApplicationError("large", type="PayloadTooLarge", non_retryable=True), False),
        (ApplicationError("who?", type="UnknownName", non_retryable=True), False),
        (CancelledError("stop"), False),
    ],
)
def test_only_the_lack_of_an_answer_degrades(cause: Exception, expected: bool) -> None:
    error = ActivityError(
        "failed",
        scheduled_event_id=1,
        started_event_id=2,
        identity="",
        activity_type="speaker.say",
        activity_id="speaker.say",
        retry_state=RetryState.MAXIMUM_ATTEMPTS_REACHED,
    )
    error.__cause__ = cause
    assert degrades(error) is expected


def test_a_degraded_result_says_why_in_one_line() -> None:
    why = Degradation(by="kept", type="Down", because="unreachable", age_seconds=90.4)
    assert str(why) == "degraded: by kept, 90 s old, because of Down: unreachable"
