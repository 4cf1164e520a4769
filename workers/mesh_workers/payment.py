"""The pool of the agent `payment`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mesh_activities.payment import Payments
from mesh_agents.payment import charge, payment, refund
from mesh_workers import dependencies
from mesh_workers.settings import PaymentSettings
from sagamesh import Pool
from sagamesh.settings import read_settings


@asynccontextmanager
async def pool() -> AsyncIterator[Pool]:
    """Serves `payment` through the gateway that SAGAMESH_PAYMENT_URL names."""
    settings = read_settings(PaymentSettings)
    async with (
        Payments.open(settings.database, settings.url, settings.key) as payments,
        dependencies.database(settings.database) as answers,
    ):
        checks = {"database": answers, "gateway": dependencies.gateway(settings.url)}
        yield Pool(payment, checks=checks).serve(charge, payments.charge).serve(refund, payments.refund)
