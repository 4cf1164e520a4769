"""Payment: charge and refund through a gateway that speaks Stripe's API."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mesh_agents.money import Money
from sagamesh import Agent, Breaker, BusinessError, Message, Retry, minutes, seconds

PaymentMethod = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$", max_length=64)]


class Charge(Message):
    """Money to take from a payment method (a gateway's token such as `pm_card_visa`, never a card number)."""

    money: Money
    payment_method: PaymentMethod
    customer: str = ""
    description: str = ""


class Receipt(Message):
    """Money that was taken. `payment_id` is the gateway's (`pi_...`)."""

    payment_id: str
    money: Money


class Refunded(Message):
    """What undoing a charge did.

    `refund_id` is the gateway's (`re_...`), empty when nothing had been taken and the payment was called off instead.
    """

    payment_id: str = ""
    refund_id: str = ""


class Declined(BusinessError):
    """The payment method was declined. Details: `code`, `decline_code`, `payment_id`."""


class PaymentRefused(BusinessError):
    """The gateway refused the request as such (bad amount, unknown method). Details: `code`, `param`, `status`."""


class PaymentCalledOff(BusinessError):
    """The charge was undone before it happened, so it must not happen any more. Details: `key`."""


payment = Agent("payment", depends_on=["accounts"], summary="Charges and refunds")
# One gateway for both: while it is down, neither is called, and nobody uses up attempts.
GATEWAY = Breaker(key="gateway", recovery=seconds(10))

charge = payment.capability(
    "charge",
    takes=Charge,
    returns=Receipt,
    timeout=seconds(15),
    retry=Retry(attempts=30, most=seconds(10)),
    breaker=GATEWAY,
    inline=True,
    summary="Take the money",
)
refund = payment.capability(
    "refund",
    takes=Charge,
    returns=Refunded,
    timeout=seconds(15),
    retry=Retry(attempts=30, most=minutes(1)),
    breaker=GATEWAY,
    inline=True,
    summary="Give the money back",
)
