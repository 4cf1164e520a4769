"""Which payment method of the sandbox gateway does what."""

from __future__ import annotations

import pytest

from mesh_workers.sandbox.gateway_cards import Card, Fault, Kind, Operation, card_named


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("pm_sandbox_timeout", Fault(Operation.CONFIRM, Kind.TIMEOUT, 1)),
        ("pm_sandbox_late", Fault(Operation.CONFIRM, Kind.LATE, 2)),
        ("pm_sandbox_late_5", Fault(Operation.CONFIRM, Kind.LATE, 5)),
        ("pm_sandbox_late_300ms", Fault(Operation.CONFIRM, Kind.LATE, 0.3)),
        ("pm_sandbox_answer_lost", Fault(Operation.CONFIRM, Kind.ANSWER_LOST, 1)),
        ("pm_sandbox_answer_slow_2", Fault(Operation.CONFIRM, Kind.ANSWER_SLOW, 2)),
        ("pm_sandbox_fail_3", Fault(Operation.CONFIRM, Kind.FAIL, 3)),
        ("pm_sandbox_refund_fail_2", Fault(Operation.REFUND, Kind.FAIL, 2)),
        ("pm_sandbox_create_rate_limited_9", Fault(Operation.CREATE, Kind.RATE_LIMITED, 9)),
    ],
)
def test_a_sandbox_name_says_what_fails_and_how(name: str, fault: Fault) -> None:
    assert card_named(name) == Card(fault=fault)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "pm_card_none",
        "pm_sandbox",
        "pm_sandbox_nothing",
        "pm_sandbox_fail_300ms",
        "pm_sandbox_rate_limited_5ms",
        "pm_sandbox_refund_late_5",
        "pm_sandbox_cancel_processing",
        "pm_sandbox_late_-5",
        "pm_sandbox_late_5 ",
        "pm_sandbox_late_9999999",
        "xpm_card_visa",
    ],
)
def test_other_names_are_no_payment_methods(name: str) -> None:
    assert card_named(name) is None


def test_with_a_fault_in_cancelling_the_confirm_is_never_answered() -> None:
    fault = Fault(Operation.CANCEL, Kind.FAIL, 3)
    assert fault.at(Operation.CANCEL) == fault
    assert fault.at(Operation.CONFIRM) == Fault(Operation.CONFIRM, Kind.TIMEOUT, 0)
    assert fault.at(Operation.REFUND) is None
