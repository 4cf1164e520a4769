"""From events to a timeline: what calls and their undoing do to it."""

from __future__ import annotations

import pytest
from temporalio.api.enums.v1 import TimeoutType
from temporalio.api.failure.v1 import Failure, TimeoutFailureInfo

from sagamesh.failure import Failure as ReadFailure
from sagamesh.status import StepState
from sagamesh.timeline import Kind, State, timeline
from tests.timeline.histories import Script, seconds


class TestSteps:
    def test_done(self, begun: Script) -> None:
        begun.step("payment.charge", 1, 3)
        step = begun.entry(Kind.STEP)
        assert (step.name, step.capability, step.state, step.attempts) == (
            "payment.charge",
            "payment.charge",
            State.DONE,
            1,
        )
        assert (step.at, step.started, step.ended) == (begun.time(1), begun.time(2), begun.time(5))
        now = begun.time(100)
        assert (step.queue_wait(now), step.work(now), step.total(now)) == (seconds(1), seconds(3), seconds(4))
        assert (step.worker, step.failure, step.retried(), step.undone) == ("7@box", None, None, None)

    def test_done_at_the_third_attempt(self, begun: Script, declined: Failure) -> None:
        scheduled = begun.schedule("payment.charge", 1)
        begun.take(scheduled, 10, attempt=3, before=declined)
        begun.add("activity_task_completed", 12, scheduled_event_id=scheduled)
        step = begun.entry(Kind.STEP)
        assert (step.state, step.attempts) == (State.DONE, 3)
        assert step.failure == ReadFailure(type="Declined", message="no money", step="payment.charge")
        now = begun.time(100)
        assert (step.queue_wait(now), step.retried(), step.work(now)) == (None, seconds(9), seconds(2))

    def test_failed(self, begun: Script, declined: Failure) -> None:
        begun.step("payment.charge", 1, failure=declined)
        step = begun.entry(Kind.STEP)
        assert step.state is State.FAILED
        assert step.failure == ReadFailure(type="Declined", message="no money", step="payment.charge")

    def test_timed_out(self, begun: Script) -> None:
        scheduled = begun.schedule("payment.charge", 1)
        info = TimeoutFailureInfo(timeout_type=TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE)
        begun.add(
            "activity_task_timed_out", 20, scheduled_event_id=scheduled, failure=Failure(timeout_failure_info=info)
        )
        step = begun.entry(Kind.STEP)
        assert (step.state, step.ended) == (State.FAILED, begun.time(20))
        assert step.failure is not None
        assert (step.failure.type, step.failure.step) == ("TimeoutError", "payment.charge")
        assert "start to close" in step.failure.message

    def test_cancelled_between_two_attempts(self, begun: Script) -> None:
        scheduled = begun.schedule("payment.charge", 1)
        begun.add("activity_task_canceled", 4, scheduled_event_id=scheduled)
        step = begun.entry(Kind.STEP)
        assert (step.state, step.total(begun.time(9))) == (State.CANCELLED, seconds(3))
        # Nobody knows whether it ever left the queue.
        assert step.queue_wait(begun.time(9)) is None
        assert step.work(begun.time(9)) is None

    def test_repeated_steps_keep_their_names(self, begun: Script) -> None:
        begun.step("mail.send", 1)
        begun.step("mail.send#2", 4)
        assert [(e.name, e.capability) for e in begun.read().entries] == [
            ("mail.send", "mail.send"),
            ("mail.send#2", "mail.send"),
        ]

    def test_a_call_without_a_saga_is_named_by_its_capability(self, begun: Script) -> None:
        begun.step("1", 1, capability="mail.send")
        assert begun.entry(Kind.STEP).name == "mail.send"

    def test_entries_stand_in_the_order_in_which_they_began(self, begun: Script) -> None:
        first, second = begun.schedule("a.one", 1), begun.schedule("b.two", 1)
        begun.take(second, 2)
        begun.add("activity_task_completed", 3, scheduled_event_id=second)
        begun.take(first, 2)
        begun.add("activity_task_completed", 4, scheduled_event_id=first)
        assert [entry.name for entry in begun.read().entries] == ["a.one", "b.two"]


class TestPendingCalls:
    def test_nothing_is_known_without_the_servers_word(self, begun: Script) -> None:
        begun.schedule("payment.charge", 1)
        found = timeline(begun.events, begun.time(5))
        assert found.entries[0].state is State.WAITING
        assert found.worker_wait is None

    def test_in_the_queue(self, begun: Script) -> None:
        begun.schedule("payment.charge", 1)
        begun.pending("payment.charge", "SCHEDULED")
        step = begun.entry(Kind.STEP, now=5)
        assert (step.state, step.attempts, step.open) == (State.WAITING, 0, True)
        assert step.queue_wait(begun.time(5)) == seconds(4)

    def test_running(self, begun: Script) -> None:
        begun.schedule("payment.charge", 1)
        begun.pending("payment.charge", "STARTED", last_started_time=3)
        step = begun.entry(Kind.STEP, now=5)
        assert (step.state, step.attempts, step.started) == (State.RUNNING, 1, begun.time(3))
        assert (step.queue_wait(begun.time(5)), step.work(begun.time(5))) == (seconds(2), seconds(2))

    def test_running_again(self, begun: Script, declined: Failure) -> None:
        begun.schedule("payment.charge", 1)
        begun.pending("payment.charge", "STARTED", attempt=2, last_started_time=3, last_failure=declined)
        step = begun.entry(Kind.STEP, now=5)
        assert (step.state, step.attempts) == (State.RUNNING, 2)
        assert step.failure is not None
        assert step.failure.type == "Declined"

    def test_waiting_for_the_next_attempt(self, begun: Script, declined: Failure) -> None:
        begun.schedule("payment.charge", 1)
        begun.pending(
            "payment.charge",
            "SCHEDULED",
            attempt=3,
            last_started_time=2,
            last_failure=declined,
            next_attempt_schedule_time=30,
        )
        step = begun.entry(Kind.STEP, now=5)
        assert (step.state, step.attempts, step.next_attempt) == (State.RETRYING, 2, begun.time(30))
        assert (step.queue_wait(begun.time(5)), step.work(begun.time(5)), step.total(begun.time(5))) == (
            None,
            None,
            seconds(4),
        )

    def test_paused_by_an_operator_of_the_server(self, begun: Script) -> None:
        begun.schedule("payment.charge", 1)
        begun.pending("payment.charge", "PAUSED")
        assert begun.entry(Kind.STEP, now=5).state is State.WAITING

    def test_asked_to_stop(self, begun: Script) -> None:
        begun.schedule("payment.charge", 1)
        begun.pending("payment.charge", "CANCEL_REQUESTED", last_started_time=2)
        assert begun.entry(Kind.STEP, now=5).state is State.RUNNING

    def test_an_undo_is_told_from_its_step(self, begun: Script, declined: Failure) -> None:
        begun.step("payment.charge", 1, failure=declined)
        begun.schedule("undo:payment.charge", 4, capability="payment.refund")
        begun.pending("undo:payment.charge", "STARTED", attempt=2, last_started_time=5)
        assert begun.entry(Kind.STEP, now=6).attempts == 1
        assert begun.entry(Kind.UNDO, now=6).attempts == 2
        assert begun.entry(Kind.STEP, now=6).undone is StepState.UNDOING


class TestCompensation:
    def test_undone(self, begun: Script, declined: Failure) -> None:
        begun.step("inventory.reserve", 1)
        begun.step("payment.charge", 5, failure=declined)
        begun.stage("compensating", 8)
        begun.step("undo:payment.charge", 8, capability="payment.refund")
        begun.step("undo:inventory.reserve", 11, capability="inventory.release")
        undo = begun.entry(Kind.UNDO, "payment.charge")
        assert (undo.capability, undo.state) == ("payment.refund", State.DONE)
        assert [(e.name, e.state, e.undone) for e in begun.read().entries if e.kind is Kind.STEP] == [
            ("inventory.reserve", State.DONE, StepState.UNDONE),
            ("payment.charge", State.FAILED, StepState.UNDONE),
        ]
        assert begun.read().status == "compensating"
        assert begun.read().for_operator == ()

    def failed_undo(self, begun: Script, declined: Failure) -> None:
        begun.step("payment.charge", 1, failure=declined)
        begun.step("undo:payment.charge", 4, capability="payment.refund", failure=declined)
        begun.stage("needs_operator", 6)

    def test_an_undo_that_failed_waits_for_an_operator(self, begun: Script, declined: Failure) -> None:
        self.failed_undo(begun, declined)
        found = begun.read()
        assert found.status == "needs_operator"
        assert [(e.name, e.failure.type if e.failure else None) for e in found.for_operator] == [
            ("payment.charge", "Declined")
        ]
        assert begun.entry(Kind.STEP).undone is StepState.UNDO_FAILED

    @pytest.mark.parametrize(("action", "state"), [("skip", StepState.SKIPPED), ("resolve", StepState.RESOLVED)])
    def test_an_operator_ends_it(self, begun: Script, declined: Failure, action: str, state: StepState) -> None:
        self.failed_undo(begun, declined)
        begun.update("operator", 60, step="payment.charge", action=action, by="olga", reason="paid back in cash")
        decision = begun.entry(Kind.DECISION)
        assert (decision.name, decision.summary, decision.by, decision.reason, decision.at) == (
            "payment.charge",
            action,
            "olga",
            "paid back in cash",
            begun.time(60),
        )
        assert begun.entry(Kind.STEP).undone is state
        assert begun.read().for_operator == ()

    def test_an_operator_has_it_tried_again(self, begun: Script, declined: Failure) -> None:
        self.failed_undo(begun, declined)
        begun.update("operator", 60, step="payment.charge", action="retry", by="olga", reason="")
        begun.step("undo:payment.charge", 61, capability="payment.refund", failure=declined)
        assert [e.at for e in begun.read().for_operator] == [begun.time(61)]
        begun.update("operator", 70, step="payment.charge", action="retry", by="olga", reason="")
        begun.step("undo:payment.charge", 71, capability="payment.refund")
        assert begun.read().for_operator == ()
        assert begun.entry(Kind.STEP).undone is StepState.UNDONE
        assert [e.state for e in begun.read().entries if e.kind is Kind.UNDO] == [
            State.FAILED,
            State.FAILED,
            State.DONE,
        ]

    def test_a_step_that_failed_after_the_pivot_waits_too(self, begun: Script, declined: Failure) -> None:
        begun.step("payment.charge", 1, failure=declined)  # one that the task can do without
        begun.step("inventory.confirm", 2, failure=declined)
        begun.unfinished("inventory.confirm", at=4)
        begun.stage("needs_operator", 4)
        assert [(e.kind, e.name) for e in begun.read().for_operator] == [(Kind.STEP, "inventory.confirm")]
        begun.update("operator", 60, step="inventory.confirm", action="retry", by="olga", reason="")
        begun.unfinished(at=61)
        begun.step("inventory.confirm", 61)
        assert begun.read().for_operator == ()

    def test_nobody_can_decide_about_a_task_that_has_ended(self, begun: Script, declined: Failure) -> None:
        self.failed_undo(begun, declined)
        begun.end(9, "terminated", reason="enough", identity="9@desk")
        assert begun.read().for_operator == ()
