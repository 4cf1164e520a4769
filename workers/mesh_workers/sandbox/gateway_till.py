"""What the sandbox gateway does with money: intents and refunds by Stripe's rules, on the books."""

from __future__ import annotations

import time
from typing import Any, Final

from mesh_agents.money import MINOR_DIGITS
from mesh_workers.sandbox.books import Answer, Books, Intent, Refund
from mesh_workers.sandbox.gateway_cards import Card, Kind, card_named
from mesh_workers.sandbox.gateway_wire import Refusal, amount_in, metadata_in, refuse_others

__all__ = ["Till", "card_of"]

_CURRENCIES: Final = frozenset(currency.lower() for currency in MINOR_DIGITS)
_CANCELLABLE: Final = ("requires_payment_method", "requires_confirmation", "requires_action")


class Till:
    """The operations of the API. Each one runs inside a transaction of the books that the caller has begun.

    They raise `Refusal` where nothing is written, and return an `Answer` where something is: a declined card too.
    """

    def __init__(self, books: Books) -> None:
        self._books = books

    def create(self, form: dict[str, str]) -> Answer:
        """Announce a payment."""
        refuse_others(
            form,
            "amount",
            "currency",
            "payment_method",
            "payment_method_types[]",
            "payment_method_types[0]",
            "description",
        )
        if form.get("payment_method_types[]", form.get("payment_method_types[0]", "card")) != "card":
            raise Refusal(400, "This sandbox takes cards only.", param="payment_method_types")
        currency = form.get("currency", "").lower()
        if currency not in _CURRENCIES:
            message = f"Invalid currency: {currency[:10]!r}. This sandbox takes {', '.join(sorted(_CURRENCIES))}."
            raise Refusal(400, message, param="currency")
        method = form.get("payment_method")
        if method is not None:
            card_of(method)
        made = self._books.add_intent(
            amount=amount_in(form),
            currency=currency,
            payment_method=method,
            metadata=metadata_in(form),
            description=form.get("description"),
        )
        return Answer(200, _shown(made))

    def retrieve(self, intent_id: str) -> Answer:
        """An intent as it stands."""
        return Answer(200, _shown(self.intent(intent_id)))

    def confirm(self, intent_id: str, form: dict[str, str]) -> Answer:
        """Charge an intent, once in its life."""
        refuse_others(form, "payment_method")
        intent = self.intent(intent_id)
        name = form.get("payment_method") or intent.payment_method
        if intent.status not in ("requires_confirmation", "requires_payment_method"):
            raise _wrong_state(intent, "confirm")
        if name is None:
            message = "You cannot confirm this PaymentIntent because it's missing a payment method."
            raise Refusal(400, message, code="payment_intent_unexpected_state", payment_intent=_shown(intent))
        card = card_of(name)
        intent = self._books.set_payment_method(intent_id, name)
        if card.needs_consent:
            return Answer(200, _shown(self._books.set_status(intent_id, "requires_action")))
        if card.decline is not None:
            problem = {
                "type": "card_error",
                "code": card.decline.code,
                "decline_code": card.decline.decline_code,
                "message": card.decline.message,
            }
            intent = self._books.decline(intent_id, problem)
            error = {**problem, "charge": intent.latest_charge, "payment_intent": _shown(intent)}
            return Answer(402, {"error": error})
        if card.fault is not None and card.fault.kind is Kind.PROCESSING:
            lands_at = time.time() + card.fault.number
            return Answer(200, _shown(self._books.set_status(intent_id, "processing", lands_at=lands_at)))
        return Answer(200, _shown(self._books.pay(intent_id)))

    def land_later(self, intent_id: str, seconds: float) -> None:
        """Let the charge of an unconfirmed intent land by itself, unless it is cancelled before."""
        intent = self.intent(intent_id)
        if intent.status == "requires_confirmation" and intent.lands_at is None:
            self._books.set_status(intent_id, intent.status, lands_at=time.time() + seconds)

    def cancel(self, intent_id: str, form: dict[str, str]) -> Answer:
        """Make sure that an intent is never charged."""
        refuse_others(form, "cancellation_reason")
        intent = self.intent(intent_id)
        if intent.status not in _CANCELLABLE:
            raise _wrong_state(intent, "cancel")
        return Answer(200, _shown(self._books.set_status(intent_id, "canceled")))

    def refund(self, form: dict[str, str]) -> Answer:
        """Give money back, never more than was taken."""
        refuse_others(form, "payment_intent", "amount", "reason")
        if "payment_intent" not in form:
            message = "Missing required param: payment_intent."
            raise Refusal(400, message, code="parameter_missing", param="payment_intent")
        intent = self.intent(form["payment_intent"])
        if intent.status != "succeeded":
            raise Refusal(400, f"This PaymentIntent ({intent.id}) does not have a successful charge to refund.")
        left = intent.amount - sum(refund.amount for refund in self._books.refunds(intent.id))
        amount = amount_in(form) if "amount" in form else left
        if not left:
            message = f"Charge {intent.latest_charge} has already been refunded."
            raise Refusal(400, message, code="charge_already_refunded")
        if amount > left:
            message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
            raise Refusal(400, message, param="amount")
        made = self._books.add_refund(intent.id, amount=amount, metadata=metadata_in(form))
        return Answer(200, _shown_refund(made, intent))

    def retrieve_refund(self, refund_id: str) -> Answer:
        """A refund."""
        found = self._books.refund(refund_id)
        if found is None:
            raise _missing("refund", refund_id)
        return Answer(200, _shown_refund(found, self.intent(found.intent_id)))

    def list_refunds(self, query: dict[str, str]) -> Answer:
        """Refunds, newest first, page by page."""
        refuse_others(query, "payment_intent", "limit", "starting_after")
        intent_id = query.get("payment_intent")
        if intent_id is not None:
            self.intent(intent_id)
        limit = query.get("limit", "10")
        if not (limit.isascii() and limit.isdigit() and len(limit) < 4 and 1 <= int(limit) <= 100):
            raise Refusal(400, "Limit must be a whole number from 1 to 100.", param="limit")
        found = self._books.refunds(intent_id)
        after = query.get("starting_after")
        if after is not None:
            ids = [refund.id for refund in found]
            if after not in ids:
                raise _missing("refund", after)
            found = found[ids.index(after) + 1 :]
        data = [_shown_refund(refund, self.intent(refund.intent_id)) for refund in found[: int(limit)]]
        return Answer(200, {"object": "list", "url": "/v1/refunds", "has_more": len(found) > int(limit), "data": data})

    def intent(self, intent_id: str) -> Intent:
        """The intent of this id.

        Raises:
            Refusal: 404 `resource_missing`.
        """
        found = self._books.intent(intent_id)
        if found is None:
            raise _missing("payment_intent", intent_id)
        return found


def card_of(payment_method: str) -> Card:
    """The card behind a payment method.

    Raises:
        Refusal: 400 `resource_missing`.
    """
    card = card_named(payment_method)
    if card is None:
        message = f"No such PaymentMethod: {payment_method[:80]!r}"
        raise Refusal(400, message, code="resource_missing", param="payment_method")
    return card


def _missing(kind: str, name: str) -> Refusal:
    return Refusal(404, f"No such {kind}: {name[:80]!r}", code="resource_missing", param=kind)


def _wrong_state(intent: Intent, verb: str) -> Refusal:
    return Refusal(
        400,
        f"You cannot {verb} this PaymentIntent because it has a status of {intent.status}.",
        code="payment_intent_unexpected_state",
        payment_intent=_shown(intent),
    )


def _shown(intent: Intent) -> dict[str, Any]:
    return {
        "id": intent.id,
        "object": "payment_intent",
        "amount": intent.amount,
        "amount_received": intent.amount if intent.status == "succeeded" else 0,
        "capture_method": "automatic",
        "confirmation_method": "automatic",
        "created": int(intent.created),
        "currency": intent.currency,
        "customer": None,
        "description": intent.description,
        "last_payment_error": intent.problem,
        "latest_charge": intent.latest_charge,
        "livemode": False,
        "metadata": intent.metadata,
        "next_action": {"type": "use_stripe_sdk"} if intent.status == "requires_action" else None,
        "payment_method": intent.payment_method,
        "payment_method_types": ["card"],
        "status": intent.status,
    }


def _shown_refund(refund: Refund, intent: Intent) -> dict[str, Any]:
    return {
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "charge": intent.latest_charge,
        "created": int(refund.created),
        "currency": intent.currency,
        "metadata": refund.metadata,
        "payment_intent": refund.intent_id,
        "reason": None,
        "status": "succeeded",
    }
