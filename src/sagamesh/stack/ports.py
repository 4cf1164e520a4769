"""Ports of this machine's loopback: which to take, whether they are free, and who has them."""

from __future__ import annotations

import errno
import random
import socket
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass

import psutil

from sagamesh.errors import InvalidInput
from sagamesh.failure import FieldProblem
from sagamesh.stack.errors import PortTaken

__all__ = ["LOOPBACK", "PortRequest", "assign", "free_port", "listens", "owner_of"]

LOOPBACK = "127.0.0.1"
HIGHEST = 65_535

# Below the ports that systems give to outgoing connections (Linux from 32768 on, macOS and Windows from 49152 on): what
# is free there stays free until the process that it is for has opened it, while one of the others may become any
# connection's before. Above those that well-known servers listen on.
_UNUSED = range(11_000, 32_000)
_DRAWS = 50


@dataclass(frozen=True, slots=True)
class PortRequest:
    """A port that a part needs.

    - `number`: the one to take; 0 for any free one.
    - `option`: the command-line option that changes it.
    """

    name: str
    number: int
    option: str


def assign(requests: Iterable[PortRequest]) -> dict[str, int]:
    """A free port for each request, by its name.

    Raises:
        InvalidInput: for a number that is no port, or one that two parts want.
        PortTaken: naming who has it and which option takes another.
    """
    requests = list(requests)
    _check_numbers(requests)
    for request in requests:
        if request.number and not _free(request.number):
            raise PortTaken(
                f"port {request.number} ({request.name}) is taken by {owner_of(request.number)}. Stop that, or choose "
                f"another with {request.option}=N; --port 0 takes free ones for everything"
            )
    taken = {request.number for request in requests if request.number}
    with ExitStack() as held:
        assigned = {}
        for request in requests:
            assigned[request.name] = request.number or _any_free(held, taken)
        return assigned


def owner_of(port: int) -> str:
    """Who listens on a port of the loopback, for people."""
    try:
        found = [c for c in psutil.net_connections(kind="tcp") if c.laddr and c.laddr.port == port]
    except psutil.AccessDenied:  # macOS shows other processes' sockets to root only
        return f"another process (`lsof -i :{port}` names it)"
    listening = sorted(found, key=lambda c: c.status != psutil.CONN_LISTEN)
    for connection in listening:
        if connection.pid is None:
            continue
        try:
            command = " ".join(psutil.Process(connection.pid).cmdline())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            command = "no command line to be seen"
        return f"process {connection.pid} ({command[:100]})"
    return "another user's process" if found else "a process that has just gone"


def free_port() -> int:
    """Any port of the loopback that is free now."""
    with ExitStack() as held:
        return _any_free(held, set())


def listens(pid: int, port: int) -> bool:
    """Whether this very process, or one that it started, accepts connections on the port."""
    try:
        leader = psutil.Process(pid)
        for process in (leader, *leader.children(recursive=True)):
            for connection in process.net_connections(kind="tcp"):
                if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                    return True
    except (psutil.NoSuchProcess, psutil.AccessDenied):  # gone, or about to go
        return False
    return False


def _check_numbers(requests: list[PortRequest]) -> None:
    by_number: dict[int, PortRequest] = {}
    for request in requests:
        if not 0 <= request.number <= HIGHEST:
            problem = f"{request.number} is no port: 1 to {HIGHEST}, or 0 for any free one"
            raise InvalidInput("the ports", [FieldProblem(field=request.option, problem=problem)])
        other = by_number.setdefault(request.number, request) if request.number else request
        if other is not request:
            problem = f"{request.number} is wanted by {other.name} ({other.option}) and by {request.name}"
            raise InvalidInput("the ports", [FieldProblem(field=request.option, problem=problem)])


def _free(port: int) -> bool:
    # Where a listener on all addresses does not stop another from binding the loopback (macOS), it still answers there.
    with socket.socket() as probe:
        probe.settimeout(0.5)
        if probe.connect_ex((LOOPBACK, port)) == 0:
            return False
    with socket.socket() as probe:
        # As the servers do: what is left of closed connections is no reason to refuse.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            return False
    return True


def _any_free(held: ExitStack, taken: set[int]) -> int:
    for port in random.SystemRandom().sample(_UNUSED, _DRAWS):
        if port not in taken and _free(port):
            taken.add(port)
            return port
    while True:
        # Held until all are chosen, so that the same is not chosen twice.
        probe = held.enter_context(socket.socket())
        probe.bind((LOOPBACK, 0))
        number: int = probe.getsockname()[1]
        if number not in taken:
            return number
