"""Through Sagamesh: the contracts of the four agents and of the order."""

from __future__ import annotations

from benchmarks.models import (
    Charge,
    Items,
    Mail,
    OrderRequest,
    OrderResult,
    Receipt,
    Refunded,
    Released,
    Reservation,
    Sent,
    User,
    UserRef,
)
from sagamesh import Agent, Breaker, Task

__all__ = [
    "accounts",
    "charge",
    "inventory",
    "notification",
    "order",
    "payment",
    "refund",
    "release",
    "reserve",
    "send",
    "validate",
]

accounts = Agent("accounts")
validate = accounts.capability("validate", takes=UserRef, returns=User)

inventory = Agent("inventory")
reserve = inventory.capability("reserve", takes=Items, returns=Reservation)
release = inventory.capability("release", takes=Items, returns=Released)

payment = Agent("payment")
charge = payment.capability("charge", takes=Charge, returns=Receipt, breaker=Breaker(key="gateway", rate=0.5))
refund = payment.capability("refund", takes=Charge, returns=Refunded, breaker=Breaker(key="gateway", rate=0.5))

notification = Agent("notification")
send = notification.capability("send", takes=Mail, returns=Sent)

order = Task(
    "MeshOrder",
    takes=OrderRequest,
    returns=OrderResult,
    queue="orders",
    uses=(accounts, inventory, payment, notification),
)
