"""Golden histories: written without traces of a machine, read back, held to their fingerprints."""

from __future__ import annotations

import getpass
import json
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory

from sagamesh.errors import InvalidInput
from sagamesh.replay import changed_fingerprint, fingerprint_of, read_history, replay, write_golden
from sagamesh.replay.fingerprint import shape
from tests.replay import flows

STEPS = """\
workflow Steps
search attributes
    SagameshStatus = charging
memo
    {note: {stage: number}}
activity payment.charge (charge)
    queue replay-tests
    schedule-to-close timeout 5m
    schedule-to-start timeout 1m
    start-to-close timeout 15s
    heartbeat timeout 5s
    retry first interval 2s
    retry longest interval 20s
    retry factor 1.5
    retry attempts 30
    not retried Declined
    priority 2
    argument {express: yes or no, items: [text], money: {amount: text, currency: text}}
activity stock.reserve
    queue replay-tests
    start-to-close timeout 10s
    retry first interval 1s
    retry longest interval 100s
    retry factor 2
    argument 1 text
    argument 2 number
timer of 0.01s
end with a result
    result {receipt: text, reserved: text}
"""


@pytest.mark.asyncio
async def test_a_golden_still_replays(histories: Mapping[str, WorkflowHistory], tmp_path: Path) -> None:
    names = ["steps", "failing", "decided", "parent"]
    for name in names:
        await write_golden(histories[name], tmp_path / f"{name}.json")

    read = [read_history(tmp_path / f"{name}.json") for name in names]
    found = await replay(read, workflows=flows.WORKFLOWS)

    assert [v.problems for v in found] == [()] * len(names)
    assert [h.workflow_id for h in read] == [histories[name].workflow_id for name in names]


@pytest.mark.asyncio
async def test_a_golden_tells_nothing_of_the_machine(histories: Mapping[str, WorkflowHistory], tmp_path: Path) -> None:
    path = tmp_path / "failing.json"
    raw = histories["failing"].to_json()
    await write_golden(histories["failing"], path)

    written = path.read_text()
    traces = [str(Path(flows.__file__).parent), f"@{socket.gethostname()}", "stackTrace", "File \\"]
    assert all(trace in raw for trace in traces), "the history as it came must hold what is to be removed"
    assert not [trace for trace in [*traces, f"/home/{getpass.getuser()}"] if trace in written]


@pytest.mark.asyncio
async def test_the_fingerprint_lists_the_path(histories: Mapping[str, WorkflowHistory]) -> None:
    assert await fingerprint_of(histories["steps"]) == STEPS


@pytest.mark.asyncio
async def test_the_fingerprint_leaves_out_what_differs_from_run_to_run(
    histories: Mapping[str, WorkflowHistory],
) -> None:
    text = await fingerprint_of(histories["parent"])

    assert "signal to <id>-child\n    signal release\n" in text
    assert histories["parent"].workflow_id not in text
    assert "failure OrderFailed because of payment.decline because of Declined" in await fingerprint_of(
        histories["failing"]
    )


@pytest.mark.asyncio
async def test_a_fingerprint_that_was_not_recorded_with_its_history_is_shown_as_a_diff(
    histories: Mapping[str, WorkflowHistory], tmp_path: Path
) -> None:
    path = tmp_path / "steps.json"
    await write_golden(histories["steps"], path)
    assert await changed_fingerprint(path) == ""

    beside = tmp_path / "steps.txt"
    beside.write_text(beside.read_text().replace("retry attempts 30", "retry attempts 3"))

    difference = (await changed_fingerprint(path)).splitlines()
    assert "-    retry attempts 3" in difference
    assert "+    retry attempts 30" in difference

    beside.unlink()
    with pytest.raises(InvalidInput, match=r"steps\.txt is not valid: cannot be read"):
        await changed_fingerprint(path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is no workflow history"),
        ("[]", "is no workflow history: JSON history not a dictionary"),
        ("{}", "is no workflow history"),
        ('{"events": []}', "does not begin with the start of a workflow"),
        ('{"events": [{"eventType": "NoSuchEvent"}]}', "is no workflow history"),
        ('{"events": [{"eventId": {}}]}', "is no workflow history"),
        ('{"events": [1]}', "is no workflow history: Event not a dictionary"),
    ],
)
def test_what_is_no_history_is_refused(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text)

    with pytest.raises(InvalidInput, match=problem):
        read_history(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read: No such file"):
        read_history(tmp_path / "missing.json")
    with pytest.raises(InvalidInput, match="cannot be read: Is a directory"):
        read_history(tmp_path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(InvalidInput, match="is no workflow history"):
        read_history(path)


def test_an_older_servers_history_is_called_by_its_file(
    histories: Mapping[str, WorkflowHistory], tmp_path: Path
) -> None:
    document = json.loads(histories["steps"].to_json())
    del document["events"][0]["workflowExecutionStartedEventAttributes"]["workflowId"]
    path = tmp_path / "order-7.json"
    path.write_text(json.dumps(document))

    assert read_history(path).workflow_id == "order-7"


def test_shapes() -> None:
    assert shape({"b": [1, 2, "x"], "a": {"c": None}, "d": True, "e": []}) == (
        "{a: {c: null}, b: [number or text], d: yes or no, e: []}"
    )
