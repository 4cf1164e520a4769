"""The checkout task: a cart becomes an order, is kept, counted and learned from; or stays the cart that it was."""

from __future__ import annotations

import asyncio

from temporalio import workflow

from mesh_agents import analytics, cart, catalog, identity, recommendation, records
from mesh_agents.catalog import Published, Quote
from mesh_agents.checkout import ORDERS, CheckoutRequest, CheckoutResult, NewPrices, checkout, publish_prices
from mesh_agents.order import OrderResult
from mesh_workflows.order import complete
from sagamesh import Saga, TaskWorkflow
from sagamesh.failure import Failure

SOLD = "order.completed"
"""The kind of the event."""


@workflow.defn(name=checkout.name)
class Checkout(TaskWorkflow):
    """One cart of one customer."""

    task = checkout

    @workflow.run
    async def run(self, request: CheckoutRequest) -> CheckoutResult:
        """Buy the cart, or leave it as it was and fail with the reason."""
        chosen = request.chosen(workflow.info().workflow_id)
        async with Saga(deadline=request.deadline) as saga:
            await saga.step(identity.resolve, request.claim)
            if request.items:
                await saga.step(cart.add, request.change(chosen), undo=cart.remove)
            basket = await saga.step(cart.check_out, chosen, undo=cart.reopen)
            quote = await saga.step(catalog.quote, request.wanted(basket))
            order = await complete(saga, request.order(quote))
            # It is sold. What follows says of itself when it did not succeed.
            known, suggested = await asyncio.gather(
                _keep(saga, request.customer, order, quote),
                saga.attempt(
                    recommendation.suggest, recommendation.Context(skus=tuple(line.sku for line in quote.lines))
                ),
            )
        found = suggested.result
        return known.model_copy(update={"suggestions": () if found is None else found.suggestions})


async def _keep(saga: Saga, customer: str, order: OrderResult, quote: Quote) -> CheckoutResult:
    """Keep the order, count it, learn from it: each of the record or event that the one before it made."""
    known = CheckoutResult(order=order, quote=quote)
    kept = await saga.attempt(
        records.put,
        records.NewRecord(
            collection=ORDERS,
            name=order.order_id,
            body={
                "customer": customer,
                "order": order.model_dump(mode="json"),
                "quote": quote.model_dump(mode="json"),
            },
        ),
    )
    if kept.result is None:
        return _with(known, "records", kept.failure)
    known = known.model_copy(update={"record": kept.result})
    counted = await saga.attempt(
        analytics.record,
        analytics.Event(kind=SOLD, subject=customer, at=workflow.now(), record=kept.result, amount=quote.total),
    )
    if counted.result is None:
        return _with(known, "analytics", counted.failure)
    known = known.model_copy(update={"event": counted.result.event})
    skus = tuple(line.sku for line in quote.lines)
    learned = await saga.attempt(recommendation.learn, recommendation.Bought(event=counted.result.event, skus=skus))
    if learned.result is None:
        return _with(known, "recommendation", learned.failure)
    return known.model_copy(update={"learned": True})


def _with(known: CheckoutResult, agent: str, failure: Failure | None) -> CheckoutResult:
    return known.model_copy(update={"problems": (f"{agent}: {failure}",)})


@workflow.defn(name=publish_prices.name)
class PublishPrices(TaskWorkflow):
    """One price list."""

    task = publish_prices

    @workflow.run
    async def run(self, request: NewPrices) -> Published:
        """Keep the list, then put it in force, naming where it is kept."""
        async with Saga() as saga:
            filed = await saga.step(records.put, request.record)
            return await saga.pivot(catalog.publish, request.prices(filed))
