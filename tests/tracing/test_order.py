"""An order as a trace: the command line starts it, another process runs it, and the payment goes over HTTP."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from mesh_agents.order import order
from tests.cli.shop import CommandLine
from tests.health.conftest import Process
from tests.support.payment_gateways import API_KEY
from tests.tracing.collector import attributes, text_of, tree
from tests.tracing.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="session")

ORDER = json.loads((Path(__file__).parents[2] / "docs" / "order.json").read_text(encoding="utf-8"))

CALLS = ("accounts.validate", "inventory.reserve", "payment.charge", "inventory.confirm", "notification.confirm_order")
TRACE = [
    "StartWorkflow:Order",
    "  RunWorkflow:Order",
    *(
        line
        for call in sorted(CALLS)
        for line in (
            f"    StartActivity:{call}",
            f"      RunActivity:{call}",
            *(["        POST", "        POST"] if call == "payment.charge" else []),
        )
    ),
]


def finished(spans: list[Span]) -> bool:
    return any(span.name == "RunWorkflow:Order" for span in spans)


def named(spans: list[Span], name: str) -> Span:
    [found] = [span for span in spans if span.name == name]
    return found


async def ordered(sagamesh: CommandLine, id: str, *options: str, **changed: str) -> Any:
    body = json.dumps(ORDER | changed)
    ran = await asyncio.to_thread(
        lambda: sagamesh("start", "Order", "--input", "-", "--id", id, "--wait", "--json", *options, stdin=body)
    )
    return ran.json


@pytest.mark.parametrize("hosting", ["--plain", "--inline"])
async def test_one_trace(world: World, agents: Process, sagamesh: CommandLine, hosting: str) -> None:
    id = f"order{hosting}"
    ended = await ordered(sagamesh, id, hosting)
    assert ended["status"] == "completed"

    spans = await world.collector.until(lambda found: finished(found) and len(found) == len(TRACE), task=id)

    assert tree(spans) == TRACE
    assert "GET" not in {span.name for span in world.collector.spans}, "looks at the gateway's health are no traces"
    [trace_id] = {span.trace_id.hex() for span in spans}
    link = f"https://traces.example/{trace_id}"
    if hosting == "--inline":
        shown = (await asyncio.to_thread(sagamesh, "show", id, "--json")).json
        assert (shown["trace_id"], shown["trace_link"]) == (trace_id, link)
    else:
        drawn = await asyncio.to_thread(sagamesh, "show", id)
        assert f"trace {link}" in drawn.out.splitlines()
    described = await world.temporal.get_workflow_handle(id).describe()
    assert await described.memo() == {"trace_id": trace_id}
    assert await described.static_details() == f"[Trace]({link})"
    run = named(spans, "RunActivity:payment.charge")
    known = {
        "sagamesh.task.id": id,
        "sagamesh.run.id": ended["run_id"],
        "sagamesh.agent": "payment",
        "sagamesh.capability": "payment.charge",
        "sagamesh.attempt": 1,
    }
    posts = [span for span in spans if span.name == "POST"]
    for span in (run, *posts):
        assert known.items() <= attributes(span).items(), span.name
    assert {span.parent_span_id for span in posts} == {run.span_id}
    assert all(span.kind == Span.SPAN_KIND_CLIENT for span in posts)
    assert attributes(named(spans, "RunWorkflow:Order"))["sagamesh.task.type"] == "Order"
    assert {span.status.code for span in spans} == {Status.STATUS_CODE_UNSET}


async def test_a_failed_one_says_why_and_nothing_else(world: World, agents: Process, sagamesh: CommandLine) -> None:
    ended = await ordered(sagamesh, "declined", payment_method="pm_card_chargeDeclined")
    assert ended["status"] == "failed"
    reason = ended["failure"]["type"]

    spans = await world.collector.until(finished, task="declined")

    run = named(spans, "RunWorkflow:Order")
    assert (run.status.code, run.status.message) == (Status.STATUS_CODE_ERROR, reason)
    charge = named(spans, "RunActivity:payment.charge")
    assert attributes(charge)["error.type"] == reason
    assert charge.status.code == Status.STATUS_CODE_UNSET, "a final answer is no error of the agent"
    assert {name for span in spans for event in span.events for name in attributes(event)} == {"exception.type"}
    said = text_of(spans)
    for kept in (API_KEY, "pm_card", ended["failure"]["message"], ORDER["customer"], "64.90"):
        assert f'"{kept}"' not in said
        assert kept == ORDER["customer"] or kept not in said


async def test_without_a_trace_there_is_nothing_to_show(world: World, agents: Process, sagamesh: CommandLine) -> None:
    """Neither where the client does not trace, nor where the sampler has not chosen the task."""
    await world.client.start(order, order.takes.model_validate(ORDER), id="plain")
    sagamesh.extra["OTEL_TRACES_SAMPLER"] = "always_off"
    await ordered(sagamesh, "not-chosen")

    for id in ("plain", "not-chosen"):
        assert (await world.client.find(id).timeline()).trace_id == ""
        described = await world.temporal.get_workflow_handle(id).describe()
        assert (await described.memo(), await described.static_details()) == ({}, None)
    assert world.collector.of("not-chosen") == []


async def test_a_collector_that_is_gone_stops_nobody(world: World, agents: Process, sagamesh: CommandLine) -> None:
    sagamesh.extra["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:1"

    started = await asyncio.to_thread(lambda: sagamesh("start", "Order", "--input", "-", stdin=json.dumps(ORDER)))

    assert started.code == 0
    assert started.err == "warning: the traces could not be sent to where OTEL_EXPORTER_OTLP_ENDPOINT says\n"


async def test_what_cannot_be_is_refused(sagamesh: CommandLine) -> None:
    sagamesh.extra["OTEL_EXPORTER_OTLP_PROTOCOL"] = "grpc"

    refused = await asyncio.to_thread(sagamesh, "worker", "payment")

    assert refused.code == 2
    [line] = refused.err.splitlines()
    assert "OTEL_EXPORTER_OTLP_PROTOCOL: only http/protobuf is spoken" in line
