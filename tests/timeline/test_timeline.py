"""From events to a timeline: what each kind of event does to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import PendingWorkflowTaskState, TimeoutType, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure, TimeoutFailureInfo

from sagamesh.failure import Failure as ReadFailure
from sagamesh.failure import UndoneStep
from sagamesh.status import StepState
from sagamesh.timeline import Kind, State, timeline
from tests.timeline.histories import Script, payload


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


def test_the_beginning_says_what_it_is(begun: Script) -> None:
    found = begun.read(now=5)
    assert (found.id, found.run_id, found.task, found.queue) == ("order-1", "run-1", "Order", "orders")
    assert (found.title, found.customer, found.input) == ("2 items", "ada", {"customer": "ada"})
    assert (found.status, found.started, found.ended) == ("running", begun.time(0), None)
    assert found.duration == seconds(5)
    assert found.entries == ()


def test_a_history_without_a_beginning_is_refused(script: Script) -> None:
    script.schedule("payment.charge", 1)
    with pytest.raises(ValueError, match="begins with the start"):
        script.read()


def test_a_task_started_by_a_foreign_client_says_later_whose_it_is(script: Script) -> None:
    script.start(customer=None)
    fields = {"indexed_fields": {"SagameshCustomer": payload("grace")}}
    script.add("upsert_workflow_search_attributes", 1, search_attributes=fields)
    assert script.read().customer == "grace"
    assert script.read().status == "running"


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


class TestApproval:
    def ask(self, begun: Script) -> int:
        begun.stage("awaiting_approval", 2)
        return begun.timer(3600, 2, summary="approval")

    def test_open(self, begun: Script) -> None:
        self.ask(begun)
        question = begun.entry(Kind.APPROVAL, now=10)
        assert (question.state, question.open, question.until) == (State.WAITING, True, begun.time(3602))
        assert question.total(begun.time(10)) == seconds(8)
        assert begun.read().status == "awaiting_approval"
        # Its timer is no line of its own.
        assert len(begun.read().entries) == 1

    @pytest.mark.parametrize(
        ("update", "state", "approvers"),
        [("approve", State.APPROVED, ("boss",)), ("reject", State.REJECTED, ())],
    )
    def test_answered(self, begun: Script, update: str, state: State, approvers: tuple[str, ...]) -> None:
        timer = self.ask(begun)
        begun.update(update, 20, {"question": "64.90 EUR is above the limit"}, by="boss", reason="why not")
        begun.add("timer_canceled", 20, started_event_id=timer)
        begun.stage("running", 20)
        question = begun.entry(Kind.APPROVAL)
        assert (question.state, question.by, question.reason) == (state, "boss", "why not")
        assert (question.ended, question.summary) == (begun.time(20), "64.90 EUR is above the limit")
        assert begun.read().approved_by == approvers

    def test_nobody_answers(self, begun: Script) -> None:
        timer = self.ask(begun)
        begun.add("timer_fired", 3602, started_event_id=timer)
        question = begun.entry(Kind.APPROVAL)
        assert (question.state, question.ended) == (State.EXPIRED, begun.time(3602))

    def test_the_task_is_cancelled_meanwhile(self, begun: Script) -> None:
        timer = self.ask(begun)
        begun.add("workflow_execution_cancel_requested", 5, cause="changed my mind", identity="9@desk")
        begun.add("timer_canceled", 5, started_event_id=timer)
        assert begun.entry(Kind.APPROVAL).state is State.CANCELLED

    def test_asked_twice(self, begun: Script) -> None:
        timer = self.ask(begun)
        begun.update("approve", 20, {"question": "first"}, by="ann", reason="")
        begun.add("timer_canceled", 20, started_event_id=timer)
        begun.stage("running", 20)
        begun.stage("awaiting_approval", 30)
        begun.timer(60, 30, summary="approval")
        begun.update("approve", 40, {"question": "second"}, by="bob", reason="")
        assert begun.read().approved_by == ("ann", "bob")
        assert [e.summary for e in begun.read().entries] == ["first", "second"]


class TestTimers:
    def test_a_deadline_that_was_kept(self, begun: Script) -> None:
        timer = begun.timer(300, 1, summary="deadline")
        assert begun.entry(Kind.TIMER).state is State.WAITING
        begun.add("timer_canceled", 20, started_event_id=timer)
        deadline = begun.entry(Kind.TIMER)
        assert (deadline.name, deadline.state, deadline.until) == ("deadline", State.CANCELLED, begun.time(301))

    def test_a_deadline_that_passed(self, begun: Script) -> None:
        begun.add("timer_fired", 301, started_event_id=begun.timer(300, 1, summary="deadline"))
        assert (begun.entry(Kind.TIMER).state, begun.entry(Kind.TIMER).ended) == (State.DONE, begun.time(301))

    def test_a_timer_without_a_name(self, begun: Script) -> None:
        begun.timer(5, 1)
        assert begun.entry(Kind.TIMER).name == "timer 1"


class TestMessages:
    def test_a_cancel_request(self, begun: Script) -> None:
        begun.add("workflow_execution_cancel_requested", 5, cause="changed my mind", identity="ada@desk")
        begun.end(9, "canceled")
        request = begun.entry(Kind.CANCEL)
        assert (request.state, request.by, request.reason) == (State.DONE, "ada@desk", "changed my mind")
        assert begun.read().status == "cancelled"

    def test_a_cancel_request_that_came_too_late(self, begun: Script) -> None:
        begun.add("workflow_execution_cancel_requested", 5, identity="ada@desk")
        begun.end(9)
        assert begun.entry(Kind.CANCEL).state is State.REFUSED

    def test_a_signal_and_an_update_of_the_tasks_own(self, begun: Script) -> None:
        begun.add("workflow_execution_signaled", 2, signal_name="nudge", identity="9@desk")
        begun.update("reprice", 3)
        assert [(e.kind, e.name, e.by) for e in begun.read().entries] == [
            (Kind.MESSAGE, "nudge", "9@desk"),
            (Kind.MESSAGE, "reprice", "9@desk"),
        ]

    def test_an_approval_that_nobody_asked_for_is_just_a_message(self, begun: Script) -> None:
        begun.update("approve", 3, by="boss", reason="")
        assert begun.entry(Kind.MESSAGE).by == "boss"
        assert begun.read().approved_by == ()


class TestChildren:
    def child(self, begun: Script) -> int:
        initiated = begun.add(
            "start_child_workflow_execution_initiated", 1, workflow_id="report-1", workflow_type={"name": "Report"}
        )
        begun.add("child_workflow_execution_started", 2, initiated_event_id=initiated)
        return initiated

    @pytest.mark.parametrize(
        ("kind", "state"),
        [
            ("completed", State.DONE),
            ("canceled", State.CANCELLED),
            ("terminated", State.FAILED),
            ("timed_out", State.FAILED),
        ],
    )
    def test_ended(self, begun: Script, kind: str, state: State) -> None:
        begun.add(f"child_workflow_execution_{kind}", 9, initiated_event_id=self.child(begun))
        child = begun.entry(Kind.CHILD)
        assert (child.name, child.capability, child.state, child.ended) == ("report-1", "Report", state, begun.time(9))
        assert child.work(begun.time(99)) == seconds(7)

    def test_failed(self, begun: Script, declined: Failure) -> None:
        begun.add("child_workflow_execution_failed", 9, initiated_event_id=self.child(begun), failure=declined)
        child = begun.entry(Kind.CHILD)
        assert child.state is State.FAILED
        assert child.failure is not None
        assert child.failure.type == "Declined"

    def test_refused_by_the_engine(self, begun: Script) -> None:
        initiated = begun.add("start_child_workflow_execution_initiated", 1, workflow_id="report-1")
        begun.add("start_child_workflow_execution_failed", 1, initiated_event_id=initiated)
        assert begun.entry(Kind.CHILD).state is State.FAILED


class TestOwnCode:
    def fails(self, begun: Script, at: float, cause: str) -> None:
        begun.add(
            "workflow_task_failed",
            at,
            cause=WorkflowTaskFailedCause.Value(f"WORKFLOW_TASK_FAILED_CAUSE_{cause}"),
            failure=Failure(message="no such branch", application_failure_info=ApplicationFailureInfo(type="KeyError")),
            identity="7@box",
        )

    def test_a_bug_until_it_is_mended(self, begun: Script) -> None:
        self.fails(begun, 2, "NON_DETERMINISTIC_ERROR")
        bug = begun.entry(Kind.BUG)
        assert (bug.name, bug.state, bug.open) == ("non deterministic error", State.RETRYING, True)
        assert bug.failure is not None
        assert bug.failure.message == "no such branch"
        begun.add("workflow_task_completed", 90)
        assert (begun.entry(Kind.BUG).state, begun.entry(Kind.BUG).ended) == (State.DONE, begun.time(90))

    @pytest.mark.parametrize("cause", ["UNHANDLED_COMMAND", "RESET_WORKFLOW", "FORCE_CLOSE_COMMAND"])
    def test_what_the_engine_settles_by_itself_is_no_bug(self, begun: Script, cause: str) -> None:
        self.fails(begun, 2, cause)
        assert begun.read().entries == ()

    def test_waiting_for_a_worker(self, begun: Script) -> None:
        task = begun.description.pending_workflow_task
        task.state = PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_SCHEDULED
        task.scheduled_time.FromDatetime(begun.time(3))
        assert begun.read(now=10).worker_wait == seconds(7)
        task.state = PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_STARTED
        assert begun.read(now=10).worker_wait is None


class TestEndings:
    def test_completed(self, begun: Script) -> None:
        begun.end(9, result=Payloads(payloads=[payload({"order_id": "order-1"})]))
        found = begun.read(now=1000)
        assert (found.status, found.result, found.failure) == ("completed", {"order_id": "order-1"}, None)
        assert (found.ended, found.duration) == (begun.time(9), seconds(9))

    def test_failed_with_what_was_undone(self, begun: Script) -> None:
        told = ReadFailure(
            type="Declined",
            message="no money",
            step="payment.charge",
            undone=(UndoneStep(step="inventory.reserve", outcome="undone"),),
        )
        info = ApplicationFailureInfo(type="Declined", details=Payloads(payloads=[payload(told.model_dump())]))
        begun.end(9, "failed", failure=Failure(message=told.sentence, application_failure_info=info))
        assert begun.read().status == "failed"
        assert begun.read().failure == told

    @pytest.mark.parametrize(
        ("kind", "attributes", "status", "message"),
        [
            (
                "terminated",
                {"identity": "root@desk", "reason": "stuck"},
                "terminated",
                "terminated by root@desk: stuck",
            ),
            ("terminated", {}, "terminated", "terminated by nobody known; nothing was undone"),
            ("timed_out", {}, "timed_out", "nothing was undone"),
        ],
    )
    def test_ended_by_force(
        self, begun: Script, kind: str, attributes: dict[str, str], status: str, message: str
    ) -> None:
        begun.end(9, kind, **attributes)
        found = begun.read()
        assert found.status == status
        assert found.failure is not None
        assert message in found.failure.message

    def test_continued(self, begun: Script) -> None:
        begun.end(9, "continued_as_new", new_execution_run_id="run-2")
        assert begun.read().status == "continued"

    @pytest.mark.parametrize(
        "begin",
        [
            lambda script: script.schedule("payment.charge", 1),
            lambda script: script.timer(300, 1, summary="deadline"),
            lambda script: script.stage("awaiting_approval", 1),
        ],
    )
    def test_what_was_open_ends_with_the_task(self, begun: Script, begin: Callable[[Script], object]) -> None:
        begin(begun)
        begun.end(9, "terminated")
        [entry] = begun.read(now=50).entries
        assert (entry.state, entry.ended) == (State.CANCELLED, begun.time(9))
        assert entry.total(begun.time(50)) == seconds(8)


class TestPayloads:
    @pytest.mark.parametrize(
        ("data", "encoding", "value"),
        [
            (b"", b"binary/null", None),
            (b"\x00\x01", b"binary/plain", "(2 bytes, binary/plain)"),
            (b"\x00" * 2000, b"binary/encrypted", "(2,000 bytes, binary/encrypted)"),
            (b"{", b"json/plain", "(1 bytes that are no JSON)"),
            (b"1.5", b"json/plain", 1.5),
        ],
    )
    def test_what_is_no_json_is_described(self, begun: Script, data: bytes, encoding: bytes, value: object) -> None:
        begun.end(9, result=Payloads(payloads=[Payload(metadata={"encoding": encoding}, data=data)]))
        assert begun.read().result == value

    def test_no_result_at_all(self, begun: Script) -> None:
        begun.end(9)
        assert begun.read().result is None

    def test_a_decision_that_nobody_can_read(self, begun: Script) -> None:
        begun.stage("awaiting_approval", 1)
        secret = Payload(metadata={"encoding": b"binary/encrypted"}, data=json.dumps({"by": "x"}).encode())
        request = {"meta": {"identity": "9@desk"}, "input": {"name": "approve", "args": Payloads(payloads=[secret])}}
        begun.add("workflow_execution_update_accepted", 2, accepted_request=request)
        assert begun.read().approved_by == ("9@desk",)
