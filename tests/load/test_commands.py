"""`load` and `chaos` as people call them: what they refuse before anything happens, and what a load prints."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from sagamesh.errors import Refused, TaskNotFound
from sagamesh.stack.place import Place
from sagamesh.stack.ports import free_port
from sagamesh.stack.process import ProcessId
from sagamesh.stack.state import PartState, Phase, StackState, Stage, forget, save
from tests.cli.shop import APP, SAGAMESH, CommandLine, Shop, open_shop

CHECKED = (
    APP.replace("app = App(", 'app = App(\n    checks="shop_app:check",')
    + '''

async def check(ended, environment):
    """Violates whatever ended as the test wants it to."""
    return [f"{each.id} is {each.outcome}" for each in ended if each.outcome == environment.get("SHOP_WRONG")]
'''
)


def order(**change: Any) -> dict[str, Any]:
    line = {"sku": "book", "quantity": 1, "unit_price": "12.50"}
    return {
        "customer": "ada",
        "currency": "EUR",
        "lines": [line],
        "total": "12.50",
        "payment_method": "pm_good",
    } | change


def mix(folder: Path, *entries: dict[str, Any]) -> str:
    (folder / "mix.json").write_text(json.dumps({"entries": entries}))
    return "mix.json"


GOOD = {"name": "good", "weight": 3, "input": order()}
DECLINED = {"name": "declined", "input": order(payment_method="pm_declined"), "expect": "Declined"}


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with open_shop() as made:
        yield made


@pytest.fixture
def alone(tmp_path: Path) -> CommandLine:
    """Where no server listens: what works with it has sent nothing."""
    (tmp_path / "shop_app.py").write_text(CHECKED)
    return CommandLine(tmp_path, f"127.0.0.1:{free_port()}")


@pytest.fixture
def sagamesh(shop: Shop, alone: CommandLine) -> CommandLine:
    return CommandLine(alone.folder, shop.address)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("load", "Ordre"), "no task is called 'Ordre'"),
        (("load", "Order", "--rate", "2", "--concurrency", "3"), "rate: contradicts --concurrency"),
        (("load", "Order", "--rate", "0"), "rate: must be above 0"),
        (("load", "Order", "--id-prefix", "a b"), "'a b' must be 1 to 200 letters"),
        (("chaos", "Order", "--kinds", "kill,flood"), "kinds: flood is none of kill, pause"),
        (("chaos", "Order", "--minutes", "0"), "minutes: must be above 0"),
        (("chaos", "Order", "--replay", "none.json"), "the schedule none.json is not valid: cannot be read"),
        (("chaos", "Order", "--replay", "none.json", "--minutes", "3"), "minutes: contradicts --replay"),
        (("chaos", "Order", "--replay", "none.json", "--seed", "0", "--kinds", "kill"), "seed: contradicts --replay"),
        (("chaos", "Order", "--kinds", "kill,"), "kinds: nothing is none of kill, pause"),
        (("chaos", "Order", "--rate", "-1"), "rate: must be above 0"),
        (("chaos", "Order", "--recovery", "nan"), "Invalid value for '--recovery'"),
        (("chaos", "Order", "--recovery", "inf"), "inf is not a finite number"),
        (("chaos", "Order", "--recovery", "-5"), "Invalid value for '--recovery'"),
        (("chaos", "Order", "--timeout", "nan"), "Invalid value for '--timeout'"),
        (("load", "Order", "--timeout", "inf"), "inf is not a finite number"),
        (("load", "Order", "--duration", "nan"), "duration: must be above 0"),
    ],
)
def test_what_is_refused(alone: CommandLine, arguments: tuple[str, ...], problem: str) -> None:
    ran = alone(*arguments, "--mix", mix(alone.folder, GOOD))
    assert (ran.code, ran.out) == (2, "")
    assert problem in ran.err


def test_a_wrong_mix_is_refused_by_entry_and_field(alone: CommandLine) -> None:
    wrong = {"name": "odd", "input": order(total="13.00")}
    for command in ("load", "chaos"):
        ran = alone(command, "Order", "--mix", mix(alone.folder, GOOD, wrong))
        assert (ran.code, ran.out) == (2, "")
        assert "the mix, entry 'odd' is not valid: entries[1].input.total: 13.00 does not match" in ran.err


def test_alternatives_that_do_not_go_together_are_refused_before_anything_is_sent(alone: CommandLine) -> None:
    line = {"sku": "book", "quantity": 1, "unit_price": "{one of:12.50|10.00}"}
    torn = {"name": "torn", "input": order(lines=[line], total="{one of:12.50|10.00}")}
    for arguments in (("load", "Order", "--count", "50"), ("load", "Order", "--duration", "5"), ("chaos", "Order")):
        ran = alone(*arguments, "--seed", "1", "--mix", mix(alone.folder, GOOD, torn))
        assert (ran.code, ran.out) == (2, "")
        assert "the mix, entry 'torn', task " in ran.err
        assert "entries[1].input.total: 1" in ran.err


def test_without_a_server(alone: CommandLine) -> None:
    assert alone("load", "Order", "--mix", mix(alone.folder, GOOD)).code == 3


def test_without_an_embedded_stack(sagamesh: CommandLine) -> None:
    ran = sagamesh("chaos", "Order", "--mix", mix(sagamesh.folder, GOOD))
    assert (ran.code, ran.out) == (1, "")
    assert "no embedded stack of this project is ready" in ran.err


def test_a_plan_needs_nothing_is_repeatable_and_can_be_replayed(alone: CommandLine) -> None:
    arguments = ("chaos", "Order", "--mix", mix(alone.folder, GOOD), "--plan", "--json")
    first = alone(*arguments, "--seed", "5", "--minutes", "2")
    assert first.code == 0
    assert first.json == alone(*arguments, "--seed", "5", "--minutes", "2").json
    assert first.json != alone(*arguments, "--seed", "6", "--minutes", "2").json
    few = alone(*arguments, "--seed", "5", "--minutes", "2", "--kinds", "kill, pause")
    assert {fault["kind"] for fault in few.json["faults"]} == {"kill", "pause"}
    assert {fault["target"] for fault in first.json["faults"] if fault["kind"] == "kill"} <= {
        "temporal", "accounts", "inventory", "payment", "notification", "orders"
    }  # fmt: skip
    (alone.folder / "plan.json").write_text(first.out)
    assert alone(*arguments, "--replay", "plan.json").json == first.json
    shown = alone(*arguments[:-1], "--seed", "5", "--minutes", "2").out.splitlines()
    assert shown[0] == f"seed 5, 2 minutes, {len(first.json['faults'])} faults"
    assert len(shown) == len(first.json["faults"]) + 2

    first.json["faults"][0]["target"] = "accountz"
    (alone.folder / "plan.json").write_text(
        json.dumps({**first.json, "faults": [{**first.json["faults"][0], "target": "x"}]})
    )
    refused = alone(*arguments, "--replay", "plan.json")
    assert refused.code == 2
    assert "faults[0].target: nothing to " in refused.err


def test_a_load_that_is_right(sagamesh: CommandLine) -> None:
    ran = sagamesh(
        "load", "Order", "--mix", mix(sagamesh.folder, GOOD, DECLINED), "--count", "24", "--seed", "2", "--json"
    )
    assert ran.code == 0, ran.err
    report = ran.json
    assert (report["sent"], report["wrong"], report["running"], report["violations"]) == (24, 0, 0, [])
    assert report["outcomes"].keys() == {"good", "declined"}
    assert report["outcomes"]["declined"].keys() == {"Declined"}
    assert sum(report["outcomes"]["good"].values()) + report["outcomes"]["declined"]["Declined"] == 24
    assert 0 < report["latency"]["p50"] <= report["latency"]["p99"] <= report["latency"]["most"] <= report["took"]
    assert report["throughput"] == pytest.approx(24 / report["took"])


def test_tasks_are_cancelled_and_answered(sagamesh: CommandLine) -> None:
    big = order(lines=[{"sku": "desk", "quantity": 1, "unit_price": "150.00"}], total="150.00")
    entries = (
        {"name": "called off", "input": big, "cancel_within": 0.5, "expect": ["Cancelled"]},
        {"name": "approved", "input": big, "answer": "approve"},
        {"name": "rejected", "input": big, "answer": "reject", "expect": "Rejected"},
    )
    ran = sagamesh("load", "Order", "--mix", mix(sagamesh.folder, *entries), "--count", "12", "--seed", "2", "--json")
    assert ran.code == 0, ran.err
    assert {kind: list(each) for kind, each in ran.json["outcomes"].items()} == {
        "called off": ["Cancelled"],
        "approved": ["completed"],
        "rejected": ["Rejected"],
    }


def test_a_load_with_violations_and_one_with_other_ends(sagamesh: CommandLine) -> None:
    sagamesh.extra["SHOP_WRONG"] = "Declined"
    name = mix(sagamesh.folder, GOOD, DECLINED)
    ran = sagamesh("load", "Order", "--mix", name, "--count", "12", "--seed", "2", "--id-prefix", "odd")
    assert ran.code == 1
    assert "of 12 ended as they should" in ran.out
    assert "WRONG  odd-" in ran.out
    assert " is Declined" in ran.out
    assert "latency   p50 " in ran.out
    assert "█" in ran.out
    unchecked = sagamesh("load", "Order", "--mix", name, "--count", "12", "--seed", "2", "--no-check")
    assert unchecked.code == 0
    assert "12 of 12 ended as they should; not checked" in unchecked.out

    hopeful = {**DECLINED, "expect": "completed"}
    ran = sagamesh("load", "Order", "--mix", mix(sagamesh.folder, hopeful), "--count", "3", "--no-check")
    assert ran.code == 1
    assert "(declined): should be completed, is Declined: payment.charge: the card was declined" in ran.out
    assert "0 of 3 ended as they should" in ran.out


def test_a_check_that_cannot_be_made_is_a_violation(sagamesh: CommandLine) -> None:
    app = (sagamesh.folder / "shop_app.py").read_text().replace("return [f", 'raise OSError("no books")\n    return [f')
    (sagamesh.folder / "shop_app.py").write_text(app)
    ran = sagamesh("load", "Order", "--mix", mix(sagamesh.folder, GOOD), "--count", "2")
    assert ran.code == 1
    assert "the check shop_app:check could not be made: OSError: no books (shop_app.py:" in ran.out


def test_the_check_knows_the_books_of_a_stack_that_has_stopped_meanwhile(shop: Shop, sagamesh: CommandLine) -> None:
    sagamesh.extra["SAGAMESH_DIR"] = str(sagamesh.folder / "stack")
    place = Place(sagamesh.folder, sagamesh.folder / "stack")
    place.create()
    slow = {"name": "slow", "input": order(customer="patient")}
    shop.loop.call_soon_threadsafe(shop.mails.clear)
    with subprocess.Popen(["sleep", "50"], env={**os.environ, "SHOP_WRONG": "completed"}) as pool:
        known = ProcessId.of(pool.pid, ["sleep", "50"])
        part = PartState(name="orders", kind="pool", stage=Stage.READY, process=known, log=place.log("orders"))
        stack = StackState(supervisor=known, phase=Phase.READY, root=place.root, folder=place.folder, parts=[part])
        save(place, stack.model_copy(update={"address": shop.address}))
        arguments = ("--mix", mix(sagamesh.folder, slow), "--count", "1", "--id-prefix", "gone", "--json")
        with sagamesh.popen("load", "Order", *arguments) as running, ExitStack() as ending:
            ending.callback(pool.kill)
            ending.callback(shop.loop.call_soon_threadsafe, shop.mails.set)

            def begun() -> bool:
                with suppress(TaskNotFound, Refused):  # it may come into being while it is asked for
                    return bool(shop.call(shop.client.find("gone-0").status()))
                return False

            shop.until(begun)
            forget(place)
            ending.close()
            printed, told = running.communicate(timeout=60)
    assert running.returncode == 1, told
    assert json.loads(printed)["violations"] == ["gone-0 is completed"]


def test_ctrl_c_ends_it_in_order(sagamesh: CommandLine) -> None:
    with subprocess.Popen(
        [SAGAMESH, "load", "Order", "--mix", mix(sagamesh.folder, GOOD), "--duration", "100", "--json"],
        cwd=sagamesh.folder,
        env=sagamesh.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr is not None
        assert " ended  " in running.stderr.readline()  # its first line about the progress
        running.send_signal(signal.SIGINT)
        printed, told = running.communicate(timeout=60)
    assert running.returncode == 0, told
    report = json.loads(printed)
    assert (report["stopped"], report["running"], report["wrong"], report["violations"]) == (True, 0, 0, [])
    assert report["sent"] > 0
    assert "Begins no more, and waits for what runs." in told
