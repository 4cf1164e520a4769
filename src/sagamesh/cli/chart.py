"""A timeline drawn: one line an entry, its bar on the task's own axis of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from math import ceil

from pydantic_core import to_json
from rich.text import Text

from sagamesh.cli.span import clock, span
from sagamesh.failure import Failure
from sagamesh.status import StepState
from sagamesh.supervision.messages import EARLIER_RUNS
from sagamesh.timeline import Entry, Kind, State, Timeline

__all__ = ["bar", "chart", "failure_lines", "why_it_waits"]

_AXIS, _SHORTEST_AXIS = 30, 12
"""Characters of the axis, where there is room, and where there is little."""
_TIME = 10
"""Characters of a duration."""

_QUEUED, _RETRIED, _WORKED, _WAITED, _MOMENT = "░▒█┄◆"
_LEGEND = (
    (_QUEUED, "in the queue"),
    (_RETRIED, "in the queue or in earlier attempts"),
    (_WORKED, "works"),
    (_WAITED, "waits for a person or a time"),
    (_MOMENT, "a message"),
)
_GREEN = {State.DONE, State.APPROVED}
_RED = {State.FAILED, State.REJECTED, State.EXPIRED}
_LONG = timedelta(seconds=2)
"""For how long a task may wait for a worker before it is worth a line."""


def chart(timeline: Timeline, *, link: str = "", trace: str = "", width: int = 1000) -> Text:
    """The whole timeline as text of many lines. In a narrow `width` the axis is shorter, then times are left out.

    - `link`, `trace`: where the task and its trace are seen in a browser; empty where that is not known.
    """
    lines = [*_header(timeline, link, trace), Text()]
    shown = [entry for entry in timeline.entries if not _idle(entry)]
    if shown:
        lines += [*_table(timeline, shown, width), Text()]
    lines += _ending(timeline)
    for line in lines:
        line.rstrip()
    return Text("\n").join(lines)


def bar(entry: Entry, begin: datetime, end: datetime, now: datetime, width: int) -> str:
    """The entry's bar: `width` characters for the time from `begin` to `end`, at least one of them filled."""
    whole = (end - begin).total_seconds()

    def cells_until(moment: datetime) -> float:
        part = (moment - begin).total_seconds() / whole if whole > 0 else 0
        return min(max(part, 0), 1) * width

    cells = [" "] * width
    first = min(int(cells_until(entry.at)), width - 1)
    stop = entry.ended or (now if entry.open else entry.at)
    last = max(ceil(cells_until(stop)) - 1, first)
    if entry.kind in (Kind.APPROVAL, Kind.TIMER):
        cells[first : last + 1] = _WAITED * (last + 1 - first)
    elif entry.kind in (Kind.STEP, Kind.UNDO, Kind.CHILD):
        before = _QUEUED if entry.queue_wait(now) is not None else _RETRIED
        cells[first : last + 1] = before * (last + 1 - first)
        if entry.started is not None:
            worked = min(int(cells_until(entry.started)), last)
            cells[worked : last + 1] = _WORKED * (last + 1 - worked)
    else:
        cells[first] = _MOMENT
    return "".join(cells)


def failure_lines(failure: Failure) -> list[Text]:
    """A task's failure: what, where, and what was undone."""
    where = f"{failure.step}: " if failure.step else ""
    lines = [Text.assemble((failure.type, "red"), f": {where}{failure.message}")]
    if not failure.step and failure.fields and str(failure.fields[0]) not in failure.message:
        lines += [Text(f"  {field}") for field in failure.fields]
    if failure.undone:
        lines.append(Text("undone: " + ", ".join(map(str, failure.undone))))
    return lines


def _header(timeline: Timeline, link: str, trace: str) -> Iterator[Text]:
    style = {"completed": "green", "failed": "red", "terminated": "red", "timed_out": "red"}.get(
        timeline.status, "cyan"
    )
    when = "in" if timeline.ended else "for"
    yield Text.assemble(
        (f"{timeline.task} {timeline.id}", "bold"),
        "  ",
        (timeline.status.replace("_", " "), style),
        f" {when} {span(timeline.duration)}",
    )
    facts = [f"started {clock(timeline.started)}"]
    if timeline.title:
        facts.insert(0, timeline.title)
    if timeline.customer:
        facts.append(f"customer {timeline.customer}")
    if timeline.approved_by:
        facts.append(f"approved by {', '.join(timeline.approved_by)}")
    yield Text(" · ".join(facts), style="dim")
    if link:
        yield Text(link, style="dim")
    if timeline.trace_id:
        yield Text(f"trace {trace or timeline.trace_id}", style="dim")


def _table(timeline: Timeline, entries: Sequence[Entry], width: int) -> Iterator[Text]:
    now, end = timeline.now, timeline.ended or timeline.now
    names = [_name(entry) for entry in entries]
    states = [_state(entry) for entry in entries]
    wide, wide_state = max(map(len, names)), max(5, *map(len, states))
    times: Sequence[str] = ("queued", "worked", "total")
    room = width - wide - wide_state - len("  ") * 3 - 5
    if room - len(times) * (_TIME + 2) < _SHORTEST_AXIS:
        times = ("total",)
    length = max(min(room - len(times) * (_TIME + 2), _AXIS), _SHORTEST_AXIS)
    axis = f"0{span(timeline.duration):>{length - 1}}"
    heads = "".join(f"  {name:>{_TIME}}" for name in times)
    yield Text(f"{'':<{wide}}  {'':<{wide_state}}  {axis}  {'tries':>5}{heads}", "dim")
    used = set()
    for entry, name, state in zip(entries, names, states, strict=True):
        drawn = bar(entry, timeline.started, end, now, length)
        used |= set(drawn)
        spent = {
            "queued": _span(entry.queue_wait(now)),
            "worked": _span(entry.work(now)),
            "total": span(entry.total(now)) if entry.kind in _TIMED else "",
        }
        yield Text.assemble(
            f"{name:<{wide}}  ",
            (f"{state:<{wide_state}}", _style(entry)),
            "  ",
            (drawn, _style(entry)),
            f"  {_tries(entry):>5}" + "".join(f"  {spent[name]:>{_TIME}}" for name in times),
        )
        for note in _notes(entry, now):
            yield Text(f"  {note}", style="red" if entry.state is State.FAILED else "dim")
    yield Text("   ".join(f"{sign} {meaning}" for sign, meaning in _LEGEND if sign in used), style="dim")


_TIMED = frozenset({Kind.STEP, Kind.UNDO, Kind.CHILD, Kind.APPROVAL, Kind.TIMER})


def _idle(entry: Entry) -> bool:
    """A timer that nobody needed, such as the deadline of a task that kept it."""
    return entry.kind is Kind.TIMER and entry.state is State.CANCELLED


def _name(entry: Entry) -> str:
    match entry.kind:
        case Kind.UNDO:
            return f"undo of {entry.name}"
        case Kind.CHILD:
            return f"{entry.capability} {entry.name}"
        case Kind.CANCEL:
            return "cancel requested"
        case Kind.DECISION:
            return f"operator: {entry.summary} {entry.name}"
        case Kind.MESSAGE:
            return f"message {entry.name}"
        case Kind.BUG:
            return "the task's own code"
        case Kind.PIVOT:
            return entry.name if entry.name == EARLIER_RUNS else f"pivot {entry.name}"
        case Kind.STEP | Kind.APPROVAL | Kind.TIMER:
            return entry.name


def _state(entry: Entry) -> str:
    if entry.kind is Kind.STEP and entry.undone is not None:
        undone = entry.undone.value.replace("_", " ")
        return undone if entry.state is State.DONE else f"{entry.state.value}, {undone}"
    match entry.kind, entry.state:
        case ((Kind.CANCEL | Kind.DECISION | Kind.MESSAGE), State.DONE):
            return ""
        case Kind.CANCEL, State.REFUSED:
            return "too late"
        case Kind.BUG, State.DONE:
            return "mended"
        case Kind.BUG, _:
            return "fails"
        case Kind.TIMER, State.DONE:
            return "passed"
        case Kind.APPROVAL, State.EXPIRED:
            return "no answer"
    return entry.state.value


def _style(entry: Entry) -> str:
    if entry.state in _RED or entry.undone is StepState.UNDO_FAILED or (entry.kind is Kind.BUG and entry.open):
        return "red"
    if entry.state is State.RETRYING or entry.undone is not None or entry.kind is Kind.UNDO:
        return "yellow"
    return "green" if entry.state in _GREEN else "cyan"


def _tries(entry: Entry) -> str:
    return str(entry.attempts) if entry.kind in (Kind.STEP, Kind.UNDO) and entry.attempts else ""


def _span(duration: timedelta | None) -> str:
    return "" if duration is None else span(duration)


def _notes(entry: Entry, now: datetime) -> Iterator[str]:
    if entry.kind is Kind.APPROVAL and entry.summary:
        yield entry.summary
    if entry.by:
        because = f": {entry.reason}" if entry.reason else ""
        yield f"by {entry.by}{because}"
    if entry.failure is not None:
        said = "before that: " if entry.state in (State.DONE, State.RUNNING) else ""
        yield f"{said}{entry.failure.type}: {entry.failure.message}"
    if entry.next_attempt is not None and entry.next_attempt > now:
        yield f"attempt {entry.attempts + 1} in {span(entry.next_attempt - now)}"
    elif entry.state is State.RETRYING and entry.kind is not Kind.BUG:
        yield f"attempt {entry.attempts + 1} waits for a worker"
    if entry.held:
        yield entry.held
    if entry.open and entry.until is not None:
        yield f"until {clock(entry.until)}"


def why_it_waits(entry: Entry) -> str:
    """Why a line of `Timeline.for_operator` is there."""
    match entry.kind:
        case Kind.UNDO:
            return "its undo failed"
        case Kind.PIVOT if entry.name == EARLIER_RUNS:
            return "the server has forgotten runs of the task, so nothing is undone yet"
        case Kind.PIVOT:
            return "the task was ended from outside after this pivot, so nothing is undone"
        case _:
            return "it failed after the pivot"


def _ending(timeline: Timeline) -> Iterator[Text]:
    if timeline.failure is not None:
        yield from failure_lines(timeline.failure)
    elif timeline.status == "completed":
        yield Text("result: " + to_json(timeline.result).decode())
    if timeline.worker_wait is not None and timeline.worker_wait > _LONG:
        yield Text(
            f"It waits for a worker of queue {timeline.queue} since {span(timeline.worker_wait)}; "
            "`sagamesh agents` shows who is alive.",
            style="yellow",
        )
    for entry in timeline.for_operator:
        yield Text(
            f"{entry.name} waits for an operator, because {why_it_waits(entry)}: "
            f"sagamesh operator {timeline.id} {entry.name} --retry | --skip | --resolve",
            style="red",
        )
    if any(entry.kind is Kind.APPROVAL and entry.open for entry in timeline.entries):
        yield Text(f"It waits for approval: sagamesh approve {timeline.id} | reject {timeline.id}", style="yellow")
