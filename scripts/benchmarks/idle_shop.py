"""The reference application's order with agents that do nothing: what is measured then is the engine and Sagamesh."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal

from mesh_agents import accounts, inventory, notification, payment
from mesh_agents.order import order
from sagamesh import App, Mesh, Pool, current_call

__all__ = ["app"]

_LATER = datetime(2100, 1, 1, tzinfo=UTC)


@asynccontextmanager
async def accounts_pool() -> AsyncIterator[Pool]:
    """Everybody may order."""

    async def validate(user: accounts.UserRef) -> accounts.User:
        return accounts.User(
            user_id=user.user_id, name="Ada", email="ada@shop.example", approval_limit=Decimal(1_000_000)
        )

    yield Pool(accounts.accounts).serve(accounts.validate, validate)


@asynccontextmanager
async def inventory_pool() -> AsyncIterator[Pool]:
    """Everything is in stock."""

    async def reserve(wanted: inventory.ReserveItems) -> inventory.Reservation:
        return inventory.Reservation(reservation_id=current_call().key, expires_at=_LATER)

    async def release(wanted: inventory.ReserveItems) -> inventory.Released:
        return inventory.Released(reservation_id=current_call().key, items=wanted.items)

    async def confirm(wanted: inventory.ConfirmReservation) -> inventory.Confirmed:
        return inventory.Confirmed(reservation_id=wanted.reservation_id)

    yield (
        Pool(inventory.inventory)
        .serve(inventory.reserve, reserve)
        .serve(inventory.release, release)
        .serve(inventory.confirm, confirm)
    )


@asynccontextmanager
async def payment_pool() -> AsyncIterator[Pool]:
    """Every card is good."""

    async def charge(wanted: payment.Charge) -> payment.Receipt:
        return payment.Receipt(payment_id="pi_1", money=wanted.money)

    async def refund(wanted: payment.Charge) -> payment.Refunded:
        return payment.Refunded(payment_id="pi_1", refund_id="re_1")

    yield Pool(payment.payment).serve(payment.charge, charge).serve(payment.refund, refund)


@asynccontextmanager
async def notification_pool() -> AsyncIterator[Pool]:
    """Every mail arrives."""

    async def confirm_order(wanted: notification.OrderConfirmation) -> notification.Delivery:
        return notification.Delivery(message_id=f"<{wanted.order_id}@shop.example>")

    yield Pool(notification.notification).serve(notification.confirm_order, confirm_order)


@asynccontextmanager
async def orders_pool() -> AsyncIterator[Pool]:
    """Hosts the order."""
    # Only the process that hosts the workflow imports it.
    from mesh_workflows.order import Order

    yield Pool(order.queue).host(order, Order)


app = App(
    mesh=Mesh(accounts.accounts, inventory.inventory, payment.payment, notification.notification),
    tasks=(order,),
    contracts=("mesh_agents",),
    workflows=("mesh_workflows.order:Order",),
    pools={
        name: f"benchmarks.idle_shop:{name}_pool"
        for name in ("accounts", "inventory", "payment", "notification", "orders")
    },
)
