"""A pool of the framework's own routing tasks, for tests."""

from __future__ import annotations

from sagamesh import Pool
from sagamesh.routing import central, negotiated
from sagamesh.routing.coordinator import Central
from sagamesh.routing.negotiation import Negotiated

__all__ = ["routing_pool"]


def routing_pool() -> Pool:
    """Hosts `Central` and `Negotiated`."""
    return Pool(central.queue).host(central, Central).host(negotiated, Negotiated)
