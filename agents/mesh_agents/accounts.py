"""Accounts: who may order, and up to which total without asking."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from sagamesh import Agent, BusinessError, Message, seconds

Email = Annotated[str, Field(min_length=1, max_length=254)]
"""An address; where it is none, the mail server says so."""

PersonName = Annotated[str, Field(max_length=200)]

UserId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]


class UserRef(Message):
    """The user to look up."""

    user_id: UserId


class User(Message):
    """A user who may order. Totals above `approval_limit` (in the order's currency) need an approver."""

    user_id: UserId
    name: PersonName
    email: Email
    approval_limit: Decimal


class UnknownUser(BusinessError):
    """No user has this id. Details: `user_id`."""


class UserBlocked(BusinessError):
    """The user may not order. Details: `user_id`, `reason`."""


accounts = Agent("accounts", summary="Who may order")
validate = accounts.capability(
    "validate", takes=UserRef, returns=User, timeout=seconds(10), inline=True, summary="May this user order?"
)
