"""A timeline as text: bars on one axis, and the lines that people act on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import PendingWorkflowTaskState, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure

from sagamesh.cli.chart import bar, chart
from sagamesh.cli.span import span
from sagamesh.supervision.messages import EARLIER_RUNS
from sagamesh.timeline import Entry, Kind, State
from tests.timeline.histories import Script, payload

DECLINED = Failure(message="no money", application_failure_info=ApplicationFailureInfo(type="Declined"))
BEGIN = datetime(2026, 1, 31, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def lines(script: Script, *, now: float | None = None) -> list[str]:
    return chart(script.read(now=now)).plain.splitlines()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 ms"),
        (0, "0 ms"),
        (0.0124, "12 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (1.054, "1.05 s"),
        (9.994, "9.99 s"),
        (9.996, "10.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (123, "2 min 03 s"),
        (3599.9, "1 h 00 min"),
        (3840, "1 h 04 min"),
        (86_399, "23 h 59 min"),
        (86_400 + 3600 * 5, "1 d 5 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert span(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("entry", "drawn"),
    [
        (Entry(Kind.STEP, "a", State.DONE, at(0), started=at(2), ended=at(4), attempts=1), "░░██      "),
        (Entry(Kind.STEP, "a", State.DONE, at(0), started=at(5), ended=at(9), attempts=3), "▒▒▒▒▒████ "),
        (Entry(Kind.STEP, "a", State.WAITING, at(4)), "    ░░░░░░"),
        (Entry(Kind.STEP, "a", State.RETRYING, at(4), attempts=1), "    ▒▒▒▒▒▒"),
        (Entry(Kind.STEP, "a", State.CANCELLED, at(4), ended=at(6)), "    ▒▒    "),
        (Entry(Kind.STEP, "a", State.DONE, at(3), started=at(3), ended=at(3), attempts=1), "   █      "),
        (Entry(Kind.STEP, "a", State.DONE, at(10), started=at(10), ended=at(10), attempts=1), "         █"),
        (Entry(Kind.APPROVAL, "a", State.WAITING, at(5)), "     ┄┄┄┄┄"),
        (Entry(Kind.CANCEL, "a", State.DONE, at(5)), "     ◆    "),
    ],
)
def test_bars(entry: Entry, drawn: str) -> None:
    assert bar(entry, at(0), at(10), at(10), width=10) == drawn


@given(
    st.sampled_from(Kind),
    st.sampled_from(State),
    st.lists(st.floats(-5, 20), min_size=3, max_size=3).map(sorted),
    st.booleans(),
    st.booleans(),
    st.floats(0, 10),
)
def test_a_bar_is_never_empty_and_never_too_long(
    kind: Kind, state: State, times: list[float], taken: bool, over: bool, whole: float
) -> None:
    entry = Entry(
        kind,
        "a",
        state,
        at(times[0]),
        started=at(times[1]) if taken else None,
        ended=at(times[2]) if over else None,
        attempts=1,
    )
    drawn = bar(entry, at(0), at(whole), at(whole), width=7)
    assert len(drawn) == 7
    assert drawn.strip()


def test_a_task_that_went_wrong(begun: Script) -> None:
    begun.step("inventory.reserve", 1)
    deadline = begun.timer(300, 1, summary="deadline")
    scheduled = begun.schedule("payment.charge", 4)
    begun.take(scheduled, 8, attempt=3, before=DECLINED)
    begun.add("activity_task_failed", 9, scheduled_event_id=scheduled, failure=DECLINED)
    begun.step("undo:payment.charge", 10, capability="payment.refund")
    begun.step("undo:inventory.reserve", 12, capability="inventory.release")
    begun.add("timer_canceled", 15, started_event_id=deadline)
    begun.end(15, "failed", failure=DECLINED)
    text = lines(begun)
    assert text[0] == "Order order-1  failed in 15.0 s"
    assert text[1].startswith("2 items · started 2026-01-31 ")
    assert text[1].endswith(" · customer ada")
    rows = [line for line in text if line.startswith(("inventory", "payment", "undo", "  "))]
    assert [row.split("  ")[0] for row in rows if not row.startswith(" ")] == [
        "inventory.reserve",
        "payment.charge",
        "undo of payment.charge",
        "undo of inventory.reserve",
    ]
    assert "failed, undone" in rows[2]
    assert "  Declined: no money" in text
    assert text[-1] == "Declined: no money"
    assert not any("deadline" in line for line in text)


@pytest.mark.parametrize("width", [70, 80, 100, 120, 1000])
def test_rows_fit_the_terminal(begun: Script, width: int) -> None:
    begun.step("notification.confirm_order", 1, 200)
    begun.step("undo:inventory.reserve", 300, capability="inventory.release")
    rows = [line for line in chart(begun.read(), width=width).plain.splitlines()[3:] if "done" in line]
    assert len(rows) == 2
    assert max(map(len, rows)) <= min(width, 110)
    assert all("█" in row and " s" in row for row in rows)


def test_what_a_task_waits_for(begun: Script) -> None:
    begun.stage("awaiting_approval", 1)
    begun.timer(3600, 1, summary="approval")
    text = lines(begun, now=61)
    assert text[0] == "Order order-1  awaiting approval for 1 min 01 s"
    assert any(line.startswith("  until 2026-01-31 ") for line in text)
    assert text[-1] == "It waits for approval: sagamesh approve order-1 | reject order-1"


def test_a_failed_undo_says_how_to_decide(begun: Script) -> None:
    begun.step("payment.charge", 1, failure=DECLINED)
    begun.step("undo:payment.charge", 4, capability="payment.refund", failure=DECLINED)
    begun.stage("needs_operator", 6)
    assert lines(begun)[-1] == (
        "payment.charge waits for an operator, because its undo failed: "
        "sagamesh operator order-1 payment.charge --retry | --skip | --resolve"
    )


def test_a_supervisor_says_what_its_task_waits_for(begun: Script) -> None:
    begun.unfinished("inventory.confirm", at=4)
    begun.stage("needs_operator", 4)
    text = lines(begun)
    assert any("pivot inventory.confirm  " in line and " waiting" in line for line in text), text
    assert text[-1] == (
        "inventory.confirm waits for an operator, because the task was ended from outside after this pivot, so nothing "
        "is undone: sagamesh operator order-1 inventory.confirm --retry | --skip | --resolve"
    )


def test_a_supervisor_says_that_runs_of_its_task_are_forgotten(begun: Script) -> None:
    begun.unfinished(EARLIER_RUNS, at=4)
    begun.stage("needs_operator", 4)
    text = lines(begun)
    assert any(line.startswith(f"{EARLIER_RUNS}  waiting ") for line in text), text
    assert text[-1] == (
        "earlier-runs waits for an operator, because the server has forgotten runs of the task, so nothing is undone "
        "yet: sagamesh operator order-1 earlier-runs --retry | --skip | --resolve"
    )


def test_the_next_attempt(begun: Script) -> None:
    begun.schedule("payment.charge", 1)
    begun.pending("payment.charge", "SCHEDULED", attempt=3, last_failure=DECLINED, next_attempt_schedule_time=30)
    assert "  attempt 3 in 20.0 s" in lines(begun, now=10)
    assert "  attempt 3 waits for a worker" in lines(begun, now=31)


def test_nobody_serves_the_task_itself(begun: Script) -> None:
    task = begun.description.pending_workflow_task
    task.state = PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_SCHEDULED
    task.scheduled_time.FromDatetime(begun.time(0))
    assert "waits for a worker" not in "".join(lines(begun, now=1))
    assert lines(begun, now=90)[-1] == (
        "It waits for a worker of queue orders since 1 min 30 s; `sagamesh agents` shows who is alive."
    )


def test_code_that_fails(begun: Script) -> None:
    cause = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE
    begun.add("workflow_task_failed", 2, cause=cause, failure=DECLINED)
    text = lines(begun)
    assert any(line.startswith("the task's own code  fails ") for line in text)
    assert "  Declined: no money" in text


def test_the_result(begun: Script) -> None:
    begun.end(2, result=Payloads(payloads=[payload({"name": "Zoë"})]))
    assert lines(begun)[-1] == 'result: {"name":"Zoë"}'


def test_a_link(begun: Script) -> None:
    assert "http://127.0.0.1:8233/x" in chart(begun.read(), link="http://127.0.0.1:8233/x").plain
