"""Every command that needs a server says within seconds that there is none, with exit code 3."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagamesh.connection import CONNECT_WITHIN
from tests.cli.shop import CommandLine, order_json

COMMANDS = [
    ("start", "Order", "--input", "order.json"),
    ("show", "order-1"),
    ("list",),
    ("cancel", "order-1"),
    ("approve", "order-1"),
    ("reject", "order-1"),
    ("operator", "order-1"),
    ("operator", "order-1", "payment.charge", "--retry"),
    ("agents",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_nobody_listens(alone: CommandLine, command: tuple[str, ...]) -> None:
    (alone.folder / "order.json").write_text(order_json(), encoding="utf-8")
    ran = alone(*command)
    assert (ran.code, ran.out) == (3, "")
    assert f"the Temporal server at {alone.address} (namespace default) does not answer" in ran.err
    assert "sagamesh up" in ran.err


def test_as_json(alone: CommandLine) -> None:
    error = json.loads(alone("list", "--json").err)["error"]
    assert (error["type"], error["exit_code"]) == ("ServerUnreachable", 3)


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of something that accepts connections and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(5)
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def test_something_listens_that_never_answers(folder: Path, silent: str) -> None:
    begin = time.monotonic()
    ran = CommandLine(folder, silent)("list")
    assert ran.code == 3
    # The SDK alone would wait for half a minute. What is left above the limit is the start of the process.
    assert time.monotonic() - begin < CONNECT_WITHIN + 15


def test_a_profile_file_that_cannot_be_read(alone: CommandLine) -> None:
    profile = alone.folder / "temporal.toml"
    profile.write_text("[profile.default\naddress = 1\n", encoding="utf-8")
    alone.extra |= {"TEMPORAL_CONFIG_FILE": str(profile), "TEMPORAL_ADDRESS": None}
    ran = alone("list")
    assert ran.code == 2
    assert "the Temporal profile or environment is not valid" in ran.err


def test_a_namespace_that_is_not_there(sagamesh: CommandLine) -> None:
    sagamesh.extra["TEMPORAL_NAMESPACE"] = "nowhere"
    (sagamesh.folder / "order.json").write_text(order_json(), encoding="utf-8")
    for command in COMMANDS[:4]:
        ran = sagamesh(*command)
        assert (ran.code, ran.out) == (3, "")
        assert f"the Temporal server at {sagamesh.address} has no namespace nowhere" in ran.err
