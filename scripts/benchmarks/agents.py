"""What the four agents do: nothing but answer. Both variants serve these functions."""

from __future__ import annotations

from temporalio.exceptions import ApplicationError

from benchmarks.models import (
    DECLINED,
    Charge,
    Items,
    Mail,
    Receipt,
    Refunded,
    Released,
    Reservation,
    Sent,
    User,
    UserRef,
)

__all__ = ["charge", "refund", "release", "reserve", "send", "validate"]


async def validate(user: UserRef) -> User:
    """Look a customer up."""
    return User(user_id=user.user_id, email=f"{user.user_id}@example.com")


async def reserve(items: Items) -> Reservation:
    """Set stock aside."""
    return Reservation(reservation_id=f"{items.quantity} of {items.sku}")


async def release(items: Items) -> Released:
    """Give stock back."""
    return Released()


async def charge(charge: Charge) -> Receipt:
    """Take the money, unless the method is the one that is declined."""
    if charge.method == DECLINED:
        raise ApplicationError(f"{charge.method} was declined", type="Declined", non_retryable=True)
    return Receipt(payment_id=f"{charge.amount} {charge.currency}")


async def refund(charge: Charge) -> Refunded:
    """Give the money back."""
    return Refunded()


async def send(mail: Mail) -> Sent:
    """Send a message."""
    return Sent(message_id=f"{mail.subject} to {mail.to}")
