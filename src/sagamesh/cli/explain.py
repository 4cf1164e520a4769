"""The command `explain`: why a task's calls went where they went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from sagamesh.cli import output
from sagamesh.cli.arguments import TaskId

if TYPE_CHECKING:
    from sagamesh.routing.decision import Considered, Decision
    from sagamesh.routing.explanation import Explanation
    from sagamesh.routing.need import Need

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("explain")(explain)


def explain(id: TaskId, json: output.JsonOption = False) -> None:
    """Show each routing decision of a task: who was chosen, by which figures, and why not each other one."""
    from sagamesh.app import load_app

    async def ask() -> tuple[Explanation, ...]:
        return await (await output.connect(load_app())).find(id).explain()

    found = output.run(ask())
    if json:
        output.print_json([_document(each) for each in found])
        return
    if not found:
        output.print_text(f"{id} has routed no call.")
    for n, each in enumerate(found, start=1):
        if n > 1:
            output.print_text("")
        _print(n, each)


def _print(n: int, each: Explanation) -> None:
    at = each.at.astimezone().strftime("%H:%M:%S")
    output.print_text(f"{n}. {each.capability} at {at}: {_outcome(each)}")
    if each.decision is not None:
        wanted = _wanted(each.decision.need)
        if wanted:
            output.print_text(f"   needed: {wanted}")
        output.print_table(
            ("queue", "rank", "workers", "waiting", "oldest", "done", "why not"), _candidates(each, each.decision)
        )
    elif each.failure is not None:
        output.print_text(f"   {each.failure}")
    if each.bids or each.silent:
        output.print_table(("bid of", "score", "slots", "offers", "latency", "cost", "what came of it"), _bids(each))
    for award in each.awards:
        why = f": {award.failure}" if award.failure is not None else ""
        output.print_text(f"   {award.capability} at {award.queue}: {award.state}{why}")


def _outcome(each: Explanation) -> str:
    chosen = each.decision.chosen if each.decision is not None else None
    if chosen is None:
        return each.state
    if not each.bids and not each.silent:
        return f"goes to {chosen.queue}"
    return f"offered, then given to {each.awards[-1].queue}" if each.awards else "offered"


def _candidates(each: Explanation, decision: Decision) -> list[tuple[str, ...]]:
    return [
        (
            one.candidate.queue,
            "-" if one.rank is None else str(one.rank),
            str(one.figures.workers),
            str(one.figures.backlog),
            f"{one.figures.oldest_seconds:g} s" if one.figures.backlog else "",
            f"{one.figures.dispatched:g}/s",
            _why(one, negotiated=bool(each.bids or each.silent)),
        )
        for one in decision.considered
    ]


def _why(one: Considered, *, negotiated: bool) -> str:
    if one.rank is not None and negotiated:
        return "was offered it"
    return one.why_not or "chosen"


def _bids(each: Explanation) -> list[tuple[str, ...]]:
    awarded = {award.queue for award in each.awards}
    rows = [
        (
            scored.bid.queue,
            f"{scored.score:g}",
            f"{scored.bid.in_use} of {scored.bid.slots}",
            str(scored.bid.offers),
            "" if scored.bid.latency_ms is None else f"{scored.bid.latency_ms:g} ms",
            f"{scored.bid.cost:g}",
            "was given the call" if scored.bid.queue in awarded else "another bid was better",
        )
        for scored in each.bids
    ]
    return [*rows, *((queue, "", "", "", "", "", "did not answer the offer in time") for queue in each.silent)]


def _wanted(need: Need) -> str:
    words: list[tuple[str, str]] = [
        ("required", ", ".join(need.required)),
        ("preferred", ", ".join(need.preferred)),
        ("excluded", ", ".join(need.excluded)),
        ("version", need.version),
        ("zones", ", ".join(need.zones)),
        ("scopes", ", ".join(need.scopes)),
        ("at most waiting", "" if need.most_waiting is None else str(need.most_waiting)),
    ]
    return "; ".join(f"{word} {value}" for word, value in words if value)


def _document(each: Explanation) -> dict[str, Any]:
    from dataclasses import asdict

    document = asdict(each)
    document["chosen"] = None if each.decision is None or each.decision.chosen is None else each.decision.chosen.queue
    return document
