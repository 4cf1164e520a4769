"""The tables of the inventory. What must never be untrue, the database itself refuses."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, MetaData, String, Table

from mesh_activities.columns import Instant

__all__ = ["State", "deliveries", "delivery_lines", "metadata", "reservation_lines", "reservations", "stock"]


class State(StrEnum):
    """Where the items of a reservation are. Only `RESERVED` has a time limit.

    RESERVED -> CONFIRMED, RELEASED or EXPIRED; CONFIRMED -> RELEASED. The other two are final.
    """

    RESERVED = "reserved"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    EXPIRED = "expired"


_ANY_STATE: Final = ", ".join(f"'{state}'" for state in State)

metadata = MetaData()

stock = Table(
    "inventory_stock",
    metadata,
    Column("sku", String, primary_key=True),
    Column("delivered", BigInteger, nullable=False),
    Column("on_hand", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    Column("sold", BigInteger, nullable=False),
    CheckConstraint("delivered >= 0 AND on_hand >= 0 AND reserved >= 0 AND sold >= 0", name="inventory_not_negative"),
    CheckConstraint("on_hand + reserved + sold = delivered", name="inventory_conserved"),
)

reservations = Table(
    "inventory_reservations",
    metadata,
    Column("reservation_id", String, primary_key=True, comment="the key of the effect"),
    Column("state", String, CheckConstraint(f"state IN ({_ANY_STATE})", name="inventory_known_state"), nullable=False),
    Column("hold_seconds", Integer, nullable=False),
    Column("expires_at", Instant, nullable=False),
)
# Sweeps look for what is still reserved, which is little of what the table keeps.
Index(
    "inventory_reserved_until",
    reservations.c.expires_at,
    postgresql_where=reservations.c.state == State.RESERVED.value,
    sqlite_where=reservations.c.state == State.RESERVED.value,
)

reservation_lines = Table(
    "inventory_reservation_lines",
    metadata,
    Column("reservation_id", ForeignKey(reservations.c.reservation_id), primary_key=True),
    Column("sku", ForeignKey(stock.c.sku), primary_key=True),
    Column("quantity", BigInteger, CheckConstraint("quantity > 0", name="inventory_some_reserved"), nullable=False),
)

deliveries = Table("inventory_deliveries", metadata, Column("delivery_id", String, primary_key=True))

delivery_lines = Table(
    "inventory_delivery_lines",
    metadata,
    Column("delivery_id", ForeignKey(deliveries.c.delivery_id), primary_key=True),
    Column("sku", ForeignKey(stock.c.sku), primary_key=True),
    Column("quantity", BigInteger, CheckConstraint("quantity > 0", name="inventory_some_delivered"), nullable=False),
)
