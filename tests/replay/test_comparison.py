"""The pure decision, in cases that a real history rarely holds."""

from __future__ import annotations

from sagamesh.replay.command import Command, Kind
from sagamesh.replay.comparison import compare

CHARGE = Command(Kind.ACTIVITY, name="payment.charge", id="1", event=5)
RESERVE = Command(Kind.ACTIVITY, name="stock.reserve", id="2", event=11)
DONE = Command(Kind.COMPLETE, event=17)


def _now(command: Command, *, id: str | None = None, called_off: bool = False) -> Command:
    return Command(command.kind, name=command.name, id=command.id if id is None else id, called_off=called_off)


def _timer(number: int, *, event: int = 0, called_off: bool = False) -> Command:
    return Command(Kind.TIMER, id=str(number), options={"duration": "5s"}, event=event, called_off=called_off)


def test_the_same_path() -> None:
    assert compare([CHARGE, RESERVE, DONE], [_now(CHARGE), _now(RESERVE), _now(DONE)]) == []


def test_swapped_steps() -> None:
    assert compare([CHARGE, RESERVE, DONE], [_now(RESERVE)]) == [
        "history has activity payment.charge (event 5), the code now issues activity stock.reserve, which comes later "
        "in the history (event 11): something was moved or removed"
    ]


def test_a_step_of_another_name() -> None:
    assert compare([CHARGE, DONE], [Command(Kind.ACTIVITY, name="payment.pay", id="1")]) == [
        "history has activity payment.charge (event 5), the code now issues activity payment.pay, which does not "
        "follow in the history: something was added or renamed"
    ]


def test_an_end_that_does_not_come() -> None:
    assert compare([CHARGE, DONE], [_now(CHARGE)]) == [
        "history goes on with end with a result (event 17); the code stops before it"
    ]


def test_something_after_the_end_of_the_history() -> None:
    assert compare([CHARGE], [_now(CHARGE), _now(RESERVE)]) == [
        "the code goes on with activity stock.reserve; the history ends before it"
    ]


def test_what_was_called_off_at_once_is_not_missed_in_the_history() -> None:
    cancel = Command(Kind.CANCEL_TIMER, id="1")

    assert compare([_timer(2, event=6)], [_timer(1, called_off=True), _timer(2), cancel]) == []
    assert compare([CHARGE], [_timer(1, called_off=True), _now(CHARGE), cancel]) == []
    assert compare([CHARGE], [_now(CHARGE), _timer(1, called_off=True), cancel]) == []


def test_what_was_called_off_at_once_but_recorded_all_the_same_matches_by_its_id() -> None:
    cancel = Command(Kind.CANCEL_TIMER, id="1", event=9)

    assert compare([_timer(1, event=6), cancel], [_timer(1, called_off=True), Command(Kind.CANCEL_TIMER, id="1")]) == []


def test_a_cancel_that_the_engine_had_no_use_for() -> None:
    useless = Command(Kind.CANCEL_ACTIVITY, name="payment.charge", id="1")

    assert compare([CHARGE, DONE], [_now(CHARGE), useless, _now(DONE)]) == []


def test_a_cancel_that_no_longer_comes() -> None:
    cancel = Command(Kind.CANCEL_ACTIVITY, name="payment.charge", id="1", event=9)

    assert compare([CHARGE, cancel, DONE], [_now(CHARGE), _now(DONE)]) == [
        "history has cancel of activity payment.charge (event 9), the code now issues end with a result, which comes "
        "later in the history (event 17): something was moved or removed"
    ]


def test_another_id_under_the_same_name() -> None:
    assert compare([CHARGE], [_now(CHARGE, id="7")]) == ["payment.charge (event 5): id was 1, is now 7"]


def test_updates_match_by_id_wherever_they_stand() -> None:
    first = Command(Kind.UPDATE_ACCEPTED, name="approve", id="u1", event=3)
    answer = Command(Kind.UPDATE_ANSWER, name="approve", id="u1", event=9, data={"result": (1,)})
    now = Command(Kind.UPDATE_ANSWER, id="u1", data={"result": (2,)})

    assert compare([first, CHARGE, answer], [_now(CHARGE), now, _now(first)]) == [
        "answer to update approve (event 9): result was 1, is now 2"
    ]
    assert compare([first, CHARGE], [_now(CHARGE)]) == [
        "update approve (event 3): the history has it, the code now does not do it"
    ]


def test_what_replay_did_not_reach_is_not_missed() -> None:
    late = Command(Kind.UPDATE_ACCEPTED, name="approve", id="u1", event=12)

    problems = compare([CHARGE, late, DONE], [_now(RESERVE)])

    assert len(problems) == 1
    assert problems[0].startswith("history has activity payment.charge (event 5)")


def test_patch_markers_are_left_to_the_engine() -> None:
    marker = Command(Kind.PATCH, name="new-way", event=4)

    assert compare([marker, CHARGE], [_now(CHARGE)]) == []
    assert compare([CHARGE], [Command(Kind.PATCH, name="new-way"), _now(CHARGE)]) == []
