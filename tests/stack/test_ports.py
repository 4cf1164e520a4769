"""Which ports are taken, and what is said when they are not free."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Iterator
from subprocess import PIPE, Popen

import pytest

from sagamesh.errors import InvalidInput
from sagamesh.stack.errors import PortTaken
from sagamesh.stack.ports import LOOPBACK, PortRequest, assign, listens, owner_of


@pytest.fixture(params=[LOOPBACK, "0.0.0.0"])  # noqa: S104 - a listener on all addresses takes the loopback's port, too
def taken(request: pytest.FixtureRequest) -> Iterator[int]:
    """A port on which this process listens."""
    with socket.create_server((request.param, 0)) as server:
        yield server.getsockname()[1]


def test_what_is_asked_for_is_taken_and_the_rest_is_free_and_different() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        free = server.getsockname()[1]
    assigned = assign([PortRequest("a", free, "--a"), *(PortRequest(f"p{n}", 0, "--p") for n in range(50))])
    assert assigned["a"] == free
    assert len(set(assigned.values())) == 51
    for port in assigned.values():
        socket.create_server((LOOPBACK, port)).close()


def test_a_taken_port_is_named_with_its_owner_and_the_option(taken: int) -> None:
    with pytest.raises(PortTaken) as refused:
        assign([PortRequest("gateway", taken, "--helper-port gateway")])
    said = str(refused.value)
    assert f"port {taken} (gateway) is taken by process {os.getpid()} (" in said
    assert "--helper-port gateway=N" in said


def test_connections_that_are_closing_do_not_take_a_port() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection((LOOPBACK, port)) as client:
            served, _ = server.accept()
            served.close()  # the side that closes first waits, with the port
            assert client.recv(1) == b""
    assert assign([PortRequest("server", port, "--port")]) == {"server": port}


@pytest.mark.parametrize(
    ("requests", "said"),
    [
        ([PortRequest("server", 70_000, "--port")], r"--port: 70000 is no port"),
        ([PortRequest("server", -1, "--port")], r"--port: -1 is no port"),
        (
            [PortRequest("server", 7301, "--port"), PortRequest("gateway", 7301, "--helper-port gateway")],
            r"--helper-port gateway: 7301 is wanted by server \(--port\) and by gateway",
        ),
    ],
)
def test_impossible_requests_are_refused_by_their_option(requests: list[PortRequest], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        assign(requests)


def test_only_the_listener_and_its_parents_own_a_port(taken: int) -> None:
    assert listens(os.getpid(), taken)
    assert not listens(os.getpid(), taken + 1)
    program = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()"
    )
    with Popen([sys.executable, "-c", program], stdin=PIPE, stdout=PIPE, text=True) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        assert not listens(child.pid, taken)
        assert listens(child.pid, port)
        assert listens(os.getpid(), port)  # as the supervisor sees a part whose child listens
        assert re.match(rf"process {child.pid} \(.*import socket", owner_of(port))
    assert not listens(child.pid, port)
