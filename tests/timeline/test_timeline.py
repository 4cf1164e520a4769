"""From events to a timeline: what each kind of event does to it; calls have a file of their own."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import PendingWorkflowTaskState, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure

from sagamesh.failure import Failure as ReadFailure
from sagamesh.failure import UndoneStep
from sagamesh.timeline import Kind, State
from tests.timeline.histories import Script, payload, seconds


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
