"""The gate on histories of every sort of command, recorded from a real server."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any, Protocol

import pytest
from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from sagamesh.errors import DefinitionError
from sagamesh.plugin import SagameshPlugin
from sagamesh.replay import Verdict, replay
from sagamesh.testing import time_skipping
from tests.replay import flows
from tests.replay.seeds import SEEDS, Seed

Histories = Mapping[str, WorkflowHistory]


class Changed(Protocol):
    def __call__(self, old: str, new: str) -> ModuleType: ...


@pytest.fixture
def encoding_plugin(reversed_converter: DataConverter) -> SagameshPlugin:
    plugin = SagameshPlugin()
    plugin.data_converter = reversed_converter
    return plugin


def _flow(code: ModuleType, history: WorkflowHistory) -> list[type]:
    name = history.events[0].workflow_execution_started_event_attributes.workflow_type.name
    return [flow for flow in code.WORKFLOWS if flow.__name__ == name]


def _readable(histories: Histories) -> Histories:
    return {name: history for name, history in histories.items() if not name.startswith("encoded")}


@pytest.mark.asyncio
async def test_unchanged_code_passes_on_every_history(histories: Histories) -> None:
    readable = _readable(histories)

    found = await replay(readable.values(), workflows=flows.WORKFLOWS)

    assert {name: v.problems for name, v in zip(readable, found, strict=True)} == dict.fromkeys(readable, ())
    assert [v.run_id for v in found] == [history.run_id for history in readable.values()]
    assert all(v.commands for v in found)


@pytest.mark.asyncio
async def test_unchanged_code_passes_on_every_history_while_it_was_still_running(histories: Histories) -> None:
    open_ones = {
        f"{name} before event {event.event_id + 1}": WorkflowHistory(history.workflow_id, history.events[:n])
        for name, history in _readable(histories).items()
        for n, event in enumerate(history.events, start=1)
        if event.HasField("workflow_task_started_event_attributes")
    }

    found = await replay(open_ones.values(), workflows=flows.WORKFLOWS)

    assert {name: v.problems for name, v in zip(open_ones, found, strict=True)} == dict.fromkeys(open_ones, ())


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
async def test_a_change_is_named(seed: Seed, histories: Histories, changed: Changed) -> None:
    history = histories[seed.history]

    [verdict] = await replay([history], workflows=_flow(changed(seed.old, seed.new), history))

    assert not verdict.ok
    missing = [word for word in seed.words if word not in str(verdict)]
    assert not missing, f"{missing} not in:\n{verdict}"


@pytest.mark.asyncio
async def test_a_patched_change_passes(histories: Histories, changed: Changed) -> None:
    code = changed(
        '        reserved = await workflow.execute_activity(\n            "stock.reserve"',
        '        if workflow.patched("check"):\n'
        "            await workflow.sleep(1)\n"
        '        reserved = await workflow.execute_activity(\n            "stock.reserve"',
    )

    [verdict] = await replay([histories["steps"]], workflows=_flow(code, histories["steps"]))

    assert verdict.ok, str(verdict)


@pytest.mark.asyncio
async def test_every_history_gets_a_verdict_in_its_place(histories: Histories, changed: Changed) -> None:
    code = changed('activity_id="charge"', 'activity_id="pay"')
    steps, headless = histories["steps"], WorkflowHistory("headless", histories["steps"].events[1:])
    given = [headless, steps, histories["failing"], histories["foreign"], WorkflowHistory("empty", []), steps]

    found = await replay(given, workflows=[code.Steps, code.Failing])

    assert [v.workflow_id for v in found] == [h.workflow_id for h in given]
    assert [v.ok for v in found] == [False, False, True, False, False, False]
    assert found[0].problems == ("not a history: it does not begin with the start of a workflow",)
    assert found[3].problems == ("no workflow class is called Foreign; known: Failing, Steps",)


@pytest.mark.asyncio
async def test_encoded_histories_pass_and_differences_in_them_are_readable(
    histories: Histories, changed: Changed, encoding_plugin: SagameshPlugin
) -> None:
    encoded = [histories["encoded"], histories["encoded-failing"]]
    code = changed(
        '            "payment.charge",\n            request,',
        '            "payment.charge",\n            CHARGE.money,',
    )

    same = await replay(encoded, workflows=flows.WORKFLOWS, plugin=encoding_plugin)
    [other] = await replay(encoded[:1], workflows=[code.Steps], plugin=encoding_plugin)

    assert [v.problems for v in same] == [(), ()]
    assert 'argument amount was missing, is now "12.50"' in str(other)


@pytest.mark.asyncio
async def test_encoded_histories_without_the_codec_fail_and_say_so(histories: Histories) -> None:
    [verdict] = await replay([histories["encoded"]], workflows=flows.WORKFLOWS)

    assert "Failed decoding arguments" in str(verdict)


@pytest.mark.asyncio
async def test_workflows_that_cannot_be_loaded_are_refused(histories: Histories, changed: Changed) -> None:
    banned = changed(
        "# fmt: skip", '# fmt: skip\nif workflow.unsafe.in_sandbox():\n    raise ImportError("not in here")'
    )

    with pytest.raises(DefinitionError, match="More than one workflow named Steps"):
        await replay([histories["steps"]], workflows=[flows.Steps, changed("# fmt: skip", "# changed").Steps])
    with pytest.raises(DefinitionError, match="Failed validating workflow Steps: not in here"):
        await replay([histories["steps"]], workflows=[banned.Steps])


@pytest.mark.asyncio
async def test_histories_of_the_time_skipping_server_pass_too() -> None:
    recorded = []
    async with time_skipping() as server:
        worker = Worker(
            server.client,
            task_queue="replay-tests",
            workflows=flows.WORKFLOWS,
            activities=flows.ACTIVITIES,
            workflow_runner=UnsandboxedWorkflowRunner(),
        )
        async with worker:
            runs: dict[str, list[Any]] = {
                "Steps": [flows.CHARGE],
                "Unset": [],
                "Parent": [flows.CHARGE.money],
                "Again": [2],
            }
            for flow, args in runs.items():
                handle = await server.client.start_workflow(flow, args=args, id=flow, task_queue="replay-tests")
                # Nothing here takes long, and this server does not see that a message between workflows is on its way:
                # on a busy machine it skips meanwhile to the end of their time.
                with server.auto_time_skipping_disabled():
                    await handle.result()
                first = server.client.get_workflow_handle(flow, run_id=handle.first_execution_run_id)
                recorded.append(await first.fetch_history())

    found = await replay(recorded, workflows=flows.WORKFLOWS)

    assert {v.workflow_type: v.problems for v in found} == dict.fromkeys(runs, ())


def test_a_verdict_reads_as_one_block() -> None:
    passed = Verdict("order-1", "run", "Order", (), 7)
    failed = Verdict("order-2", "run", "Order", ("one", "two"), 7, source="declined.json")

    assert str(passed) == "pass  order-1  Order, 7 commands"
    assert str(failed) == "FAIL  declined.json  Order, 7 commands\n      one\n      two"
