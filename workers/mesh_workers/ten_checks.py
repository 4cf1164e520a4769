"""The proof of the ten-agent mesh: every checkout against the books of orders, and of four agents of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mesh_activities.analytics import Analytics
from mesh_activities.cart import Carts
from mesh_activities.recommendation import Recommendations
from mesh_activities.records import Records
from mesh_agents.cart import CartRef
from mesh_agents.checkout import ORDERS, CheckoutRequest, CheckoutResult
from mesh_agents.records import Filed, Listing
from mesh_workers import checks
from sagamesh.load import Ended

__all__ = ["check"]


async def check(ended: Iterable[Ended], environment: Mapping[str, str]) -> list[str]:
    """What is wrong with these orders and checkouts: as for orders, and whatever was kept, counted, learned from, or
    left in a cart that should not have been, or is missing.

    Raises:
        KeyError: when the environment does not say where a database is.
        InvalidInput, httpx.HTTPError: as for orders.
    """
    ended = list(ended)
    wrong = await checks.check(ended, environment)
    checkouts = [each for each in ended if isinstance(each.input, CheckoutRequest)]
    async with Records.open(environment["SAGAMESH_RECORDS_DATABASE"]) as records:
        wrong += await records.audit()
        kept = await _kept(records)
    async with Analytics.open(environment["SAGAMESH_ANALYTICS_DATABASE"]) as analytics:
        told = await analytics.told()
    async with Recommendations.open(environment["SAGAMESH_RECOMMENDATION_DATABASE"]) as recommendations:
        learned = await recommendations.learned()
    async with Carts.open(environment["SAGAMESH_CART_DATABASE"]) as carts:
        for each in checkouts:
            if isinstance(each.result, CheckoutResult):
                wrong += _completed(each.id, each.result, kept, told, learned)
            elif each.id in kept:
                wrong.append(f"{each.id}: undone, but kept as a completed order")
            wrong += await _cart(each, carts)
    return wrong


async def _kept(records: Records) -> dict[str, Filed]:
    """The completed orders, by id."""
    found: dict[str, Filed] = {}
    listing = Listing(collection=ORDERS, limit=1000)
    while True:
        page = await records.page(listing)
        found |= {filed.name: filed for filed in page.records}
        if not page.more:
            return found
        listing = listing.model_copy(update={"after": page.records[-1].name})


def _completed(
    id: str, result: CheckoutResult, kept: Mapping[str, Filed], told: Mapping[str, str], learned: set[str]
) -> list[str]:
    if result.record is None:
        return [] if result.problems else [f"{id}: completed, neither kept nor said why not"]
    found = []
    there = kept.get(id)
    if there != result.record or result.record.version != 1:
        found.append(f"{id}: completed, and kept as {there}, not once as {result.record}")
    if result.event is not None and told.get(result.event) != result.record.digest:
        found.append(f"{id}: its event {result.event} is not counted")
    if result.learned and result.event not in learned:
        found.append(f"{id}: nothing was learned from it")
    return found


async def _cart(ended: Ended, carts: Carts) -> list[str]:
    """A cart of the task's own is empty after it, however it ended: bought, or put back and taken out again."""
    request = ended.input
    if not isinstance(request, CheckoutRequest) or request.cart is not None:
        return []
    left = (await carts.show(CartRef(owner=request.customer, cart=ended.id))).items
    return [f"{ended.id}: its cart still has {left}"] if left else []
