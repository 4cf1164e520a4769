"""Notification: tells the customer by mail."""

from __future__ import annotations

from mesh_agents.accounts import Email, PersonName
from mesh_agents.inventory import ItemQuantity
from mesh_agents.money import Money
from sagamesh import Agent, BusinessError, Message, Retry, seconds


class OrderConfirmation(Message):
    """What the mail about a completed order says, and to whom it goes."""

    to: Email
    name: PersonName
    order_id: str
    items: tuple[ItemQuantity, ...]
    total: Money


class Delivery(Message):
    """A mail that the mail server accepted."""

    message_id: str


class MailRefused(BusinessError):
    """The mail server refused the mail for good (5xx), or the address is none. Details: `code`, `to`."""


notification = Agent("notification", depends_on=["accounts"], summary="Mail to the customer")
confirm_order = notification.capability(
    "confirm_order",
    takes=OrderConfirmation,
    returns=Delivery,
    timeout=seconds(10),
    inline=True,
    retry=Retry(attempts=3, first=seconds(1), most=seconds(5)),
    summary="Tell the customer",
)
