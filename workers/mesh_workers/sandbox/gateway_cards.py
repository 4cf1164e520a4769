"""The sandbox gateway's payment methods: what each name does. Pure.

| name | what happens |
|---|---|
| `pm_card_visa`, `pm_card_mastercard` | charged |
| `pm_card_chargeDeclined`, `pm_card_insufficientFunds`, ... (see `_DECLINES`) | 402 with Stripe's codes |
| `pm_card_authenticationRequired` | 200, but the intent stays in `requires_action` |
| `pm_sandbox_timeout` | the confirm is never answered, nothing is charged |
| `pm_sandbox_slow_2` | the confirm waits 2 s, charges, and answers |
| `pm_sandbox_answer_lost` | the first confirm charges, then the connection is dropped |
| `pm_sandbox_answer_slow_2` | the confirm charges at once and answers 2 s later |
| `pm_sandbox_late_2` | the confirm is not answered, and charges 2 s after the client has gone away |
| `pm_sandbox_processing_2` | the confirm answers `processing`, and charges after 2 s |
| `pm_sandbox_fail_3` | three times 500, then charged |
| `pm_sandbox_rate_limited_1` | once 429 with `Retry-After: 1`, then charged |

`create`, `cancel` or `refund` after `pm_sandbox_` moves the fault to that request: `pm_sandbox_refund_fail_3`. The
confirm is then good, or, with `cancel`, never answered. Times may be given in milliseconds (`pm_sandbox_late_300ms`);
the numbers may be left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = ["Card", "Decline", "Fault", "Kind", "Operation", "card_named"]


class Operation(StrEnum):
    """The requests that can fail on purpose."""

    CREATE = "create"
    CONFIRM = "confirm"
    CANCEL = "cancel"
    REFUND = "refund"


class Kind(StrEnum):
    """The ways in which a request can fail on purpose."""

    TIMEOUT = "timeout"
    SLOW = "slow"
    ANSWER_LOST = "answer_lost"
    ANSWER_SLOW = "answer_slow"
    LATE = "late"
    PROCESSING = "processing"
    FAIL = "fail"
    RATE_LIMITED = "rate_limited"


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with which request. `number` is a count for FAIL, else seconds."""

    operation: Operation
    kind: Kind
    number: float

    def at(self, operation: Operation) -> Fault | None:
        """What goes wrong with a request of this kind; None when nothing does."""
        if operation is self.operation:
            return self
        if operation is Operation.CONFIRM and self.operation is Operation.CANCEL:
            # Once confirmed, there would be nothing left to cancel.
            return Fault(operation, Kind.TIMEOUT, 0)
        return None


@dataclass(frozen=True, slots=True)
class Decline:
    """Why the issuer says no."""

    code: str
    decline_code: str
    message: str


@dataclass(frozen=True, slots=True)
class Card:
    """What confirming with a payment method does: charge it, unless one of these says otherwise."""

    decline: Decline | None = None
    needs_consent: bool = False
    fault: Fault | None = None


_GENERIC: Final = Decline("card_declined", "generic_decline", "Your card was declined.")
_FUNDS: Final = Decline("card_declined", "insufficient_funds", "Your card has insufficient funds.")
_DECLINES: Final = {
    "pm_card_chargeDeclined": _GENERIC,
    "pm_card_visa_chargeDeclined": _GENERIC,
    "pm_card_chargeCustomerFail": _GENERIC,
    "pm_card_insufficientFunds": _FUNDS,
    "pm_card_visa_chargeDeclinedInsufficientFunds": _FUNDS,
    "pm_card_visa_chargeDeclinedLostCard": Decline("card_declined", "lost_card", "Your card was declined."),
    "pm_card_visa_chargeDeclinedStolenCard": Decline("card_declined", "stolen_card", "Your card was declined."),
    "pm_card_chargeDeclinedExpiredCard": Decline("expired_card", "expired_card", "Your card has expired."),
    "pm_card_chargeDeclinedIncorrectCvc": Decline(
        "incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect."
    ),
    "pm_card_chargeDeclinedProcessingError": Decline(
        "processing_error",
        "processing_error",
        "An error occurred while processing your card. Try again in a little bit.",
    ),
}
_GOOD: Final = {"pm_card_visa", "pm_card_mastercard"}
_DEFAULTS: Final = {Kind.SLOW: 2.0, Kind.ANSWER_SLOW: 2.0, Kind.LATE: 2.0, Kind.PROCESSING: 2.0, Kind.FAIL: 3.0}
_ONLY_CONFIRM: Final = {Kind.LATE, Kind.PROCESSING}
_NAME: Final = re.compile(
    rf"pm_sandbox_(?:(?P<operation>{'|'.join(Operation)})_)?(?P<kind>{'|'.join(Kind)})"
    r"(?:_(?P<number>[0-9]{1,6})(?P<unit>ms)?)?"
)


def card_named(name: str) -> Card | None:
    """The card of this name; None where the gateway knows none."""
    if name in _GOOD:
        return Card()
    if name in _DECLINES:
        return Card(decline=_DECLINES[name])
    if name == "pm_card_authenticationRequired":
        return Card(needs_consent=True)
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    kind = Kind(found["kind"])
    operation = Operation(found["operation"] or Operation.CONFIRM)
    if kind in _ONLY_CONFIRM and operation is not Operation.CONFIRM:
        return None
    if found["number"] is None:
        return Card(fault=Fault(operation, kind, _DEFAULTS.get(kind, 1.0)))
    if found["unit"] and kind in (Kind.FAIL, Kind.RATE_LIMITED):  # a count, and a header in whole seconds
        return None
    return Card(fault=Fault(operation, kind, int(found["number"]) / (1000 if found["unit"] else 1)))
