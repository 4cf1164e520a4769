"""The recorded histories of orders, as timelines."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory

from sagamesh.cli.chart import chart
from sagamesh.timeline import Timeline, timeline

HISTORIES = Path(__file__).parents[1] / "replay" / "histories"

RELEASED = ("undo", "inventory.reserve", "done")
REFUNDED = ("undo", "payment.charge", "done")

EXPECTED: dict[str, tuple[str, str, list[tuple[str, str, str]]]] = {
    "done": ("completed", "", []),
    "not-notified": ("completed", "", []),
    "approved": ("completed", "", [("approval", "approval", "approved")]),
    "rejected": ("failed", "Rejected", [("approval", "approval", "rejected"), RELEASED]),
    "approval-timed-out": ("failed", "ApprovalTimedOut", [("approval", "approval", "expired"), RELEASED]),
    "declined": ("failed", "Declined", [REFUNDED, RELEASED]),
    "out-of-stock": ("failed", "OutOfStock", [RELEASED]),
    "cancelled-before-charge": (
        "cancelled",
        "",
        [("approval", "approval", "cancelled"), ("cancel", "cancel", "done"), RELEASED],
    ),
    "cancelled-after-charge": ("cancelled", "", [("cancel", "cancel", "done"), REFUNDED, RELEASED]),
    "deadline-passed": (
        "failed",
        "DeadlineExceeded",
        [("timer", "deadline", "done"), ("approval", "approval", "cancelled"), RELEASED],
    ),
    "compensation-retried": (
        "failed",
        "ReservationGone",
        [("undo", "payment.charge", "failed"), RELEASED, ("decision", "payment.charge", "done"), REFUNDED],
    ),
}
"""By path: how it ended, with which failure, and what there was beside its steps. Each has a golden for both ways of
hosting."""

INLINE = "inline-"
CATCHES_UP = "until all is recorded"
"""The timer with which a task that runs inline lets its history come up to date before it asks somebody."""


def read(name: str) -> Timeline:
    text = (HISTORIES / f"{name}.json").read_text(encoding="utf-8")
    return timeline(WorkflowHistory.from_json(name, text).events, datetime.now(UTC))


def test_every_golden_is_read() -> None:
    assert {path.stem for path in HISTORIES.glob("*.json")} == {
        hosting + name for hosting in ("", INLINE) for name in EXPECTED
    }


@pytest.mark.parametrize("hosting", ["", INLINE], ids=["pools", "inline"])
@pytest.mark.parametrize("name", EXPECTED)
def test_golden(name: str, hosting: str) -> None:
    found = read(hosting + name)
    status, failure, beside = EXPECTED[name]
    assert (found.task, found.customer, found.status) == ("Order", "ada", status)
    assert (found.failure.type if found.failure else "") == failure
    own = [e for e in found.entries if e.kind != "step" and e.name != CATCHES_UP]
    assert [(e.kind.value, e.name, e.state.value) for e in own] == beside
    assert not any(entry.open for entry in found.entries)
    if found.failure is not None:
        undone = {step.step: step.outcome for step in found.failure.undone}
        assert undone == {e.name: e.undone.value for e in found.entries if e.undone is not None}
    assert chart(found).plain.startswith(f"Order {found.id}  {status} in ")
