"""Commands by which people decide: `approve`, `reject`, `operator`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sagamesh.cli import output
from sagamesh.cli.arguments import TaskId

if TYPE_CHECKING:
    from sagamesh.status import ApprovalStatus
    from sagamesh.timeline import Entry

__all__ = ["register"]

By = Annotated[
    str | None,
    typer.Option(
        "--by",
        help="Who decides; it stands in the task's history. Default: SAGAMESH_USER, else the operating system's user.",
    ),
]
Why = Annotated[str, typer.Option(help="Why; it stands in the task's history.")]
Action = Literal["retry", "skip", "resolve"]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("approve")(approve)
    app.command("reject")(reject)
    app.command("operator")(operator)


def approve(id: TaskId, by: By = None, reason: Why = "", json: output.JsonOption = False) -> None:
    """Say yes to the question that a task asks.

    Exit code 1 when the task refuses: it asks nothing, somebody has answered already, or it has ended.
    """
    _answer(id, True, by, reason, json)


def reject(id: TaskId, by: By = None, reason: Why = "", json: output.JsonOption = False) -> None:
    """Say no to the question that a task asks; the task is undone and fails as Rejected.

    Exit code 1 when the task refuses: it asks nothing, somebody has answered already, or it has ended.
    """
    _answer(id, False, by, reason, json)


def operator(
    id: TaskId,
    step: Annotated[
        str | None, typer.Argument(metavar="[STEP]", help="The step that waits; without it, all are listed.")
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try the undo, or the step, again.")] = False,
    skip: Annotated[bool, typer.Option("--skip", help="Leave it as it is. Needs --reason.")] = False,
    resolve: Annotated[bool, typer.Option("--resolve", help="It was done by hand. Needs --reason.")] = False,
    result: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="To resolve a step after the pivot: its result as JSON, from a file or - for stdin."
        ),
    ] = None,
    by: By = None,
    reason: Why = "",
    json: output.JsonOption = False,
) -> None:
    """Decide about a step whose undo failed, or that failed after the pivot; without STEP, list those that wait.

    Exit code 1 when the task refuses: the step waits for no decision, or the task has ended.
    """
    offered: tuple[tuple[Action, bool], ...] = (("retry", retry), ("skip", skip), ("resolve", resolve))
    chosen: list[Action] = [action for action, wanted in offered if wanted]
    if step is None:
        if chosen or reason or result:
            raise typer.BadParameter(
                f"name the step; `sagamesh operator {id}` lists those that wait", param_hint="STEP"
            )
        _list_waiting(id, json)
        return
    if len(chosen) != 1:
        raise typer.BadParameter("choose one of --retry, --skip and --resolve", param_hint="STEP")
    if chosen[0] != "retry" and not reason.strip():
        raise typer.BadParameter(f"to {chosen[0]} a step needs a reason", param_hint="--reason")
    if result is not None and chosen[0] != "resolve":
        raise typer.BadParameter("a result goes with --resolve only", param_hint="--result")
    _decide(id, step, chosen[0], by, reason, result, json)


def _answer(task_id: str, yes: bool, by: str | None, reason: str, json: bool) -> None:
    from sagamesh.app import load_app

    app = load_app()
    who = output.who(by)

    async def ask() -> ApprovalStatus:
        handle = (await output.connect(app)).find(task_id)
        return await (handle.approve if yes else handle.reject)(by=who, reason=reason)

    answer = output.run(ask())
    if json:
        output.print_json({"id": task_id, **dict(answer)})
        return
    word = "approved" if yes else "rejected"
    output.print_text(f"{task_id} is {word} by {answer.by}: {answer.question}")
    output.print_text(f"See how it goes on: sagamesh show {task_id}")


def _list_waiting(task_id: str, json: bool) -> None:
    from sagamesh.app import load_app
    from sagamesh.cli.chart import why_it_waits
    from sagamesh.timeline import Kind

    app = load_app()

    async def ask() -> Sequence[Entry]:
        return (await (await output.connect(app)).find(task_id).timeline()).for_operator

    waiting = output.run(ask())
    if json:
        output.print_json(
            [
                {"step": e.name, "what": e.kind, "since": e.ended, "attempts": e.attempts, "failure": e.failure}
                for e in waiting
            ]
        )
        return
    for entry in waiting:
        failure = f": {entry.failure}" if entry.failure else ""
        output.print_text(f"{entry.name}: {why_it_waits(entry)}{failure}")
    if waiting:
        finish = " [--result FILE]" if any(entry.kind is Kind.STEP for entry in waiting) else ""
        output.print_text(f"Decide: sagamesh operator {task_id} STEP --retry | --skip | --resolve{finish} --reason WHY")
    else:
        output.print_text(f"No step of {task_id} waits for an operator.")


def _decide(
    task_id: str, step: str, action: Action, by: str | None, reason: str, result: str | None, json: bool
) -> None:
    from pydantic import ValidationError

    from sagamesh.app import load_app
    from sagamesh.cli import body
    from sagamesh.errors import InvalidInput
    from sagamesh.failure import field_problems
    from sagamesh.status import OperatorDecision, TaskStatus

    app = load_app()
    try:
        read = None if result is None else body.read(result, option="--result")
        brought = None if read is None else body.parsed_object(read, str(result), option="--result")
        decision = OperatorDecision(step=step, action=action, by=output.who(by), reason=reason, result=brought)
    except ValidationError as error:
        raise InvalidInput("the decision", field_problems(error)) from None

    async def ask() -> TaskStatus:
        return await (await output.connect(app)).find(task_id).operator(decision)

    status = output.run(ask())
    if json:
        output.print_json({"id": task_id, **dict(status)})
    else:
        output.print_text(f"{task_id} was told to {action} {step}. See how it goes on: sagamesh show {task_id}")
