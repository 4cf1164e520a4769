"""Customers and stock of the embedded stack, so that there is something to order."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from mesh_agents.accounts import User

__all__ = ["STOCK", "USERS"]


def _user(user_id: str, name: str, email: str, limit: int) -> User:
    return User(user_id=user_id, name=name, email=email, approval_limit=Decimal(limit))


USERS: Final[tuple[tuple[User, str | None], ...]] = (
    (_user("ada", "Ada Lovelace", "ada@shop.example", 500), None),
    (_user("grace", "Grace Hopper", "grace@shop.example", 100_000), None),
    # The mail server is down for everybody at this domain (see mesh_workers.sandbox.mailbox).
    (_user("linus", "Linus Example", "linus@down.example", 500), None),
    (_user("mallory", "Mallory Example", "mallory@shop.example", 500), "unpaid invoices"),
)

STOCK: Final = {
    "book": 10_000,
    "lamp": 10_000,
    "desk": 10_000,
    "violin": 3,
}
