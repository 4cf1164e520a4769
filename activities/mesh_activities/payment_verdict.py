"""What a gateway's answers mean for a charge or a refund: pure decisions."""

from __future__ import annotations

from typing import Final

from mesh_activities.key import KeyReused
from mesh_activities.stripe import API_KEY_SETTING, GatewayError, Intent, Problem
from mesh_agents.payment import Charge, Declined, PaymentCalledOff, PaymentRefused, Receipt
from sagamesh import BusinessError, RetryLater

__all__ = ["CANCELLABLE", "NOT_GIVEN_BACK", "GatewayDenied", "called_off", "declined", "is_kept", "meaning", "receipt"]

CANCELLABLE: Final = frozenset(
    {"requires_payment_method", "requires_confirmation", "requires_action", "requires_capture"}
)
"""The states in which an intent can be cancelled."""

NOT_GIVEN_BACK: Final = frozenset({"failed", "canceled"})
"""The states of a refund by which nobody got money back."""

_CONSENT: Final = "authentication_required"


class GatewayDenied(BusinessError):
    """The gateway does not accept our API key. Details: `status`, `setting` (the environment variable to correct)."""


def receipt(key: str, intent: Intent, charge: Charge) -> Receipt:
    """The receipt of an intent that has succeeded; every other state is an error.

    Raises:
        Declined, PaymentCalledOff, PaymentRefused: the charge has failed for good.
        RetryLater: it is not decided yet.
    """
    if (intent.amount, intent.currency) != (charge.money.minor, charge.money.currency.lower()):
        raise PaymentRefused(
            f"payment {intent.id} is over {intent.amount} {intent.currency} in minor units, not over {charge.money}",
            code="amount_mismatch",
            param="amount",
            status=200,
        )
    match intent.status:
        case "succeeded":
            return Receipt(payment_id=intent.id, money=charge.money)
        case "canceled":
            raise called_off(key)
        case "processing":
            raise RetryLater(f"payment {intent.id} is being processed")
        case "requires_payment_method":  # an intent falls back to it when its method is declined
            raise declined(intent.last_payment_error or Problem(), intent.id)
        case "requires_action":
            message = "the card wants its holder's consent, and nobody is here to give it"
            raise declined(Problem(message=message, code=_CONSENT, decline_code=_CONSENT), intent.id)
        case other:
            raise PaymentRefused(f"payment {intent.id} is {other}", code="unexpected_state", param="", status=200)


def called_off(key: str) -> PaymentCalledOff:
    """The answer to a charge that comes after its undo."""
    return PaymentCalledOff(f"{key} was called off before it was charged, and is not charged any more", key=key)


def declined(problem: Problem, intent_id: str) -> Declined:
    """The answer where the issuer of the card said no."""
    return Declined(
        problem.message or "the payment method was declined",
        code=problem.code or "card_declined",
        decline_code=problem.decline_code or "",
        payment_id=intent_id,
    )


def is_kept(error: GatewayError) -> bool:
    """Whether a gateway may keep this answer under its idempotency key although asking anew may end otherwise."""
    return (error.status or 0) >= 500 or error.problem.code == "charge_already_refunded"


def meaning(error: GatewayError, key: str) -> BusinessError | RetryLater:
    """What a refusal means for the effect of this key: a final answer, or a later attempt."""
    problem = error.problem
    status = error.status
    if status is None or status in (408, 409, 429) or is_kept(error):
        return RetryLater(str(error), after=error.retry_after)
    if status in (401, 403):
        # The gateway's own words are left out, because they may quote the key.
        return GatewayDenied(
            f"the payment gateway does not accept the API key ({status}): correct {API_KEY_SETTING}",
            status=status,
            setting=API_KEY_SETTING,
        )
    if problem.type == "idempotency_error":
        return KeyReused(str(error), key=key)
    return PaymentRefused(str(error), code=problem.code or problem.type or "", param=problem.param or "", status=status)
