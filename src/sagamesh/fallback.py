"""What a caller gets when a capability gives no answer: another's, an earlier one, or a default."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from temporalio.exceptions import ActivityError, ApplicationError, ApplicationErrorCategory, CancelledError

from sagamesh.compatibility import INCOMPATIBLE
from sagamesh.degraded import Degradable
from sagamesh.errors import DefinitionError

if TYPE_CHECKING:
    from sagamesh.capability import Capability

__all__ = ["BREAKER_OPEN", "Default", "Fallback", "Kept", "chain", "degrades"]

Out = TypeVar("Out", covariant=True)

BREAKER_OPEN: Final = "BreakerOpen"
"""The type of the error with which a breaker refuses a call."""

_CALLERS_FAULT: Final = frozenset({"InvalidInput", "PayloadTooLarge", "UnknownName", INCOMPATIBLE})


@dataclass(frozen=True, slots=True)
class Kept:
    """The last result for the same input, if it is not older than `within`. The agent's pool keeps them."""

    within: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        if self.within <= timedelta(0):
            raise DefinitionError(f"fallback: a kept result must be allowed to be older than 0, not {self.within}")


@dataclass(frozen=True, slots=True)
class Default(Generic[Out]):
    """A fixed result."""

    value: Out


Fallback: TypeAlias = "Capability[Any, Any] | Kept | Default[Any]"
"""One thing to fall back on."""


def chain(name: str, takes: type, returns: type, fallback: Fallback | Sequence[Fallback]) -> tuple[Fallback, ...]:
    """The fallbacks of a capability in the order in which they are tried, checked.

    Raises:
        DefinitionError: naming the capability, for a result that cannot say that it is degraded, a fallback with
            another input or result, one that is reached twice, or one after a default, which never fails.
    """
    found: tuple[Fallback, ...] = tuple(fallback) if isinstance(fallback, Sequence) else (fallback,)
    if not found:
        return ()
    if not issubclass(returns, Degradable):
        raise DefinitionError(
            f"{name} has a fallback, so {returns.__name__} must be derived from sagamesh.Degradable, in order to say "
            "when it is degraded"
        )
    seen = {name}
    for position, each in enumerate(found):
        if isinstance(each, Default):
            if not isinstance(each.value, returns):
                raise DefinitionError(f"{name}: the default is a {type(each.value).__name__}, not {returns.__name__}")
            if position + 1 < len(found):
                raise DefinitionError(f"{name}: nothing can come after a default, which never fails")
        elif not isinstance(each, Kept):
            if (each.takes, each.returns) != (takes, returns):
                raise DefinitionError(
                    f"{name}: the fallback {each.type} takes {each.takes.__name__} and returns "
                    f"{each.returns.__name__}, not {takes.__name__} and {returns.__name__}"
                )
            for reached in _reached(each):
                if reached in seen:
                    raise DefinitionError(f"{name}: its fallbacks come to {reached} twice")
                seen.add(reached)
    return found


def degrades(error: ActivityError) -> bool:
    """Whether a failed call may fall back: when there was no answer. A refusal by the agent is an answer."""
    cause = error.cause
    if isinstance(cause, CancelledError):
        return False
    if not isinstance(cause, ApplicationError) or cause.type == BREAKER_OPEN:
        return True
    return cause.category is not ApplicationErrorCategory.BENIGN and cause.type not in _CALLERS_FAULT


def _reached(capability: Capability[Any, Any]) -> list[str]:
    found = [capability.type]
    for each in capability.fallback:
        if not isinstance(each, (Kept, Default)):
            found += _reached(each)
    return found
