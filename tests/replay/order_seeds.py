"""Changes to the order task and its contracts, and the words in which the gate must report each.

`file` is `order` for the workflow, else the contract of that name. The old snippet must occur exactly once.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PATCHED", "SEEDS", "Seed"]


@dataclass(frozen=True)
class Seed:
    """One change and its words. A change that must pass has none."""

    name: str
    file: str
    old: str
    new: str
    words: tuple[str, ...]


def seed(name: str, file: str, old: str, new: str, *words: str) -> Seed:
    return Seed(name, file, old, new, words)


_VALIDATE = "saga.step(accounts.validate, request.user)"
_RESERVE = "saga.step(inventory.reserve, request.reservation, undo=inventory.release)"
_GATHER = f"""\
    user, reservation = await asyncio.gather(
        {_VALIDATE},
        {_RESERVE},
    )
"""
_SWAPPED = f"""\
    reservation, user = await asyncio.gather(
        {_RESERVE},
        {_VALIDATE},
    )
"""
_IN_TURN = f"""\
    user = await {_VALIDATE}
    reservation = await {_RESERVE}
"""
_IF_COSTLY = "    if request.total > user.approval_limit:\n"
_CHARGE = "    receipt = await saga.step(payment.charge, request.charge, undo=payment.refund)\n"
_CONFIRM = (
    "    await saga.pivot(inventory.confirm, inventory.ConfirmReservation(reservation_id=reservation.reservation_id))\n"
)
_MAIL = "    mail = await saga.attempt(notification.confirm_order, request.confirmation(order_id, user))\n"
_LOOK_AGAIN = "        await saga.attempt(accounts.validate, request.user)\n"
_LOOK_INSTEAD = "    mail = await saga.attempt(accounts.validate, request.user)\n"

SEEDS = (
    # Reordered.
    seed(
        "confirmed before charged",
        "order",
        _CHARGE + _CONFIRM,
        _CONFIRM + _CHARGE,
        "history has activity payment.charge (event ",
        "the code now issues activity inventory.confirm, which comes later",
    ),
    seed(
        "reserved before validated",
        "order",
        _GATHER,
        _SWAPPED,
        "history has activity accounts.validate (event 5), the code now issues activity inventory.reserve",
    ),
    seed(
        "one after the other",
        "order",
        _GATHER,
        _IN_TURN,
        "history goes on with activity inventory.reserve (event 6); the code stops before it",
    ),
    seed(
        "charged before asked",
        "order",
        _IF_COSTLY,
        _CHARGE + _IF_COSTLY,
        "history has search attributes (event ",
        "the code now issues activity payment.charge, which comes later",
    ),
    # Added.
    seed(
        "a pause added",
        "order",
        _CHARGE,
        "    await workflow.sleep(1)\n" + _CHARGE,
        "the code now issues timer of 1s, which does not follow in the history: something was added or renamed",
    ),
    seed(
        "a second mail added",
        "order",
        _MAIL,
        _MAIL + _MAIL,
        "the code now issues activity notification.confirm_order, which does not follow in the history",
    ),
    seed(
        "unpatched branch",
        "order",
        _CHARGE,
        f'    if request.currency == "EUR":\n{_LOOK_AGAIN}{_CHARGE}',
        "the code now issues activity accounts.validate, which does not follow in the history",
    ),
    # Removed.
    seed(
        "confirmation removed",
        "order",
        _CONFIRM,
        "",
        "history has activity inventory.confirm (event ",
        "the code now issues activity notification.confirm_order, which comes later",
    ),
    seed(
        "undo of the charge removed",
        "order",
        ", undo=payment.refund",
        "",
        "history has activity payment.refund (event ",
        "the code now issues activity inventory.release, which comes later",
    ),
    seed(
        "question removed",
        "order",
        "if request.total > user.approval_limit:",
        "if False:",
        "history has search attributes (event ",
        "the code now issues activity payment.charge, which comes later",
    ),
    seed(
        "deadline removed",
        "order",
        "Saga(deadline=request.deadline)",
        "Saga()",
        "history has timer of 1s (event ",
    ),
    # Renamed, or made another sort of step.
    seed(
        "capability renamed",
        "inventory",
        '    "reserve", takes',
        '    "hold", takes',
        "history has activity inventory.reserve (event 6), the code now issues activity inventory.hold",
    ),
    seed(
        "mail made critical",
        "order",
        "saga.attempt(notification",
        "saga.step(notification",
        "the code now issues memo",
    ),
    # Arguments. From here on the engine's own replay finds nothing, unless the order of commands changes, too.
    seed(
        "argument left out",
        "order contract",
        ", customer=self.customer)",
        ")",
        "payment.charge (event ",
        ': argument customer was "ada", is now ""',
    ),
    seed(
        "argument changed",
        "order",
        "payment.charge, request.charge,",
        'payment.charge, request.charge.model_copy(update={"description": order_id}),',
        "payment.charge (event ",
        ': argument description was "", is now "order-done"',
    ),
    seed(
        "held for longer",
        "order contract",
        "self.approval_timeout_seconds + _MARGIN_SECONDS",
        "self.approval_timeout_seconds + 2 * _MARGIN_SECONDS",
        "inventory.reserve (event 6): argument hold_seconds was ",
    ),
    # Timeouts, queues, retries, priorities.
    seed(
        "timeout changed",
        "payment",
        "timeout=seconds(15),\n    retry=Retry(attempts=30, most=seconds(10))",
        "timeout=seconds(20),\n    retry=Retry(attempts=30, most=seconds(10))",
        "payment.charge (event ",
        "start-to-close timeout was 15s, is now 20s",
    ),
    seed(
        "waiting for a worker limited",
        "inventory",
        "returns=Reservation, timeout=seconds(10)",
        "returns=Reservation, timeout=seconds(10), queue_timeout=seconds(5)",
        "inventory.reserve (event 6): schedule-to-start timeout was not set, is now 5s",
    ),
    seed(
        "queue changed",
        "payment",
        'Agent("payment", ',
        'Agent("payment", zone="eu", ',
        "payment.charge (event ",
        "queue was payment, is now payment.eu",
    ),
    seed(
        "retries changed",
        "notification",
        "Retry(attempts=3, first=seconds(1), most=seconds(5))",
        "Retry(attempts=4, first=seconds(1), most=seconds(5))",
        "notification.confirm_order (event ",
        "retry attempts was 3, is now 4",
    ),
    seed(
        "retries of an undo changed",
        "payment",
        "Retry(attempts=30, most=minutes(1))",
        "Retry(attempts=30, most=minutes(2))",
        "payment.refund (event ",
        "retry longest interval was 1m, is now 2m",
    ),
    seed(
        "priority changed",
        "accounts",
        "timeout=seconds(10)",
        "priority=1, timeout=seconds(10)",
        "accounts.validate (event 5): priority was not set, is now 1",
    ),
    seed(
        "time to answer changed",
        "order",
        "within=request.approval_timeout",
        "within=2 * request.approval_timeout",
        "timer (event ",
        "duration was 24h, is now 48h",
    ),
    # What the task tells others.
    seed(
        "question reworded",
        "order",
        "is above the limit of",
        "is over the limit of",
        "answer to update approve (event ",
        'result question was "150.00 EUR is above the limit',
    ),
    seed(
        "result changed",
        "order",
        "        approved_by=approved_by,\n",
        "",
        "end with a result (event ",
        'result approved_by was "grace", is now ""',
    ),
    seed(
        "a bug",
        "order",
        "request.total > user.approval_limit",
        "request.total > user.approval_limit.amount",
        "the code raises AttributeError: 'decimal.Decimal' object has no attribute 'amount' (",
        ", in complete)",
    ),
)
"""Each must be caught."""

PATCHED = (
    seed(
        "a step added behind a patch",
        "order",
        _CHARGE,
        f'    if workflow.patched("look-again"):\n{_LOOK_AGAIN}{_CHARGE}',
    ),
    seed(
        "a step replaced behind a patch",
        "order",
        _MAIL,
        f'    if workflow.patched("look-instead"):\n    {_LOOK_INSTEAD}    else:\n    {_MAIL}',
    ),
)
"""Each must pass."""
