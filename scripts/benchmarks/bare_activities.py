"""The hand-written variant: its activities and their queues."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from temporalio import activity

from benchmarks import agents
from benchmarks.models import (
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

__all__ = [
    "ACCOUNTS",
    "ACTIVITIES",
    "INVENTORY",
    "NOTIFICATION",
    "ORDERS",
    "PAYMENT",
    "charge",
    "refund",
    "release",
    "reserve",
    "send",
    "validate",
]

ORDERS = "bare-orders"
ACCOUNTS = "bare-accounts"
INVENTORY = "bare-inventory"
PAYMENT = "bare-payment"
NOTIFICATION = "bare-notification"


@activity.defn
async def validate(user: UserRef) -> User:
    """Look a customer up."""
    return await agents.validate(user)


@activity.defn
async def reserve(items: Items) -> Reservation:
    """Set stock aside."""
    return await agents.reserve(items)


@activity.defn
async def release(items: Items) -> Released:
    """Give stock back."""
    return await agents.release(items)


@activity.defn
async def charge(charge: Charge) -> Receipt:
    """Take the money."""
    return await agents.charge(charge)


@activity.defn
async def refund(charge: Charge) -> Refunded:
    """Give the money back."""
    return await agents.refund(charge)


@activity.defn
async def send(mail: Mail) -> Sent:
    """Send a message."""
    return await agents.send(mail)


ACTIVITIES: Mapping[str, Sequence[Callable[..., Any]]] = {
    ACCOUNTS: [validate],
    INVENTORY: [reserve, release],
    PAYMENT: [charge, refund],
    NOTIFICATION: [send],
}
"""Which activities the worker of a queue serves."""
