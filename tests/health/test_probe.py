"""What is answered over HTTP."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from contextlib import ExitStack
from typing import Any

import pytest

from sagamesh.errors import InvalidInput
from sagamesh.health import probe
from sagamesh.health.page import page
from sagamesh.health.probe import Answer, probe_server
from sagamesh.health.verdict import Facts, Seen, Verdict

WELL = Verdict((), (), ())
POOR = Verdict(("it is stuck",), ("it is stuck", "the database is gone"), ())
FACTS = Facts(beat=0.04, seen=(Seen("database", "dependency", problem="gone", age=1.04, lasting=2.06),))


def get(port: int, path: str, *, method: str = "GET") -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    found = answer.status, answer.read().decode(), dict(answer.getheaders())
    connection.close()
    return found


def metrics(ready: int) -> str:
    meaning = "1 while this process answers /readyz with yes, 0 while it does not"
    return (
        "a_metric 1\n"
        f"# HELP sagamesh_worker_ready {meaning}\n# TYPE sagamesh_worker_ready gauge\nsagamesh_worker_ready {ready}\n"
    )


@pytest.mark.parametrize(
    ("path", "verdict", "status", "body"),
    [
        ("/livez", WELL, 200, "ok\n"),
        ("/readyz", WELL, 200, "ok\n"),
        ("/startupz", WELL, 200, "ok\n"),
        ("/livez", POOR, 503, "it is stuck\n"),
        ("/readyz", POOR, 503, "it is stuck\nthe database is gone\n"),
        ("/startupz", POOR, 200, "ok\n"),
        ("/metrics", WELL, 200, metrics(ready=1)),
        ("/metrics", POOR, 200, metrics(ready=0)),
        ("/nothing", WELL, 404, "there are /startupz, /livez, /readyz, /health, /metrics\n"),
        ("/", WELL, 404, "there are /startupz, /livez, /readyz, /health, /metrics\n"),
    ],
)
def test_page(path: str, verdict: Verdict, status: int, body: str) -> None:
    answer = page(path, lambda: (FACTS, verdict), lambda: "a_metric 1\n")

    assert (answer.status, answer.body) == (status, body)


def test_health_tells_all() -> None:
    answer = page("/health", lambda: (FACTS, POOR), str)

    assert (answer.status, answer.type) == (503, "application/json")
    assert json.loads(answer.body) == {
        "live": False,
        "ready": False,
        "started": True,
        "not_live": ["it is stuck"],
        "not_ready": ["it is stuck", "the database is gone"],
        "not_started": [],
        "stopping": False,
        "busy": False,
        "loop_seconds": 0.0,
        "checks": [
            {
                "name": "database",
                "kind": "dependency",
                "ok": False,
                "reason": "gone",
                "busy": False,
                "age_seconds": 1.0,
                "lasting_seconds": 2.1,
            }
        ],
    }


def test_half_a_page_of_metrics_is_none() -> None:
    def gone() -> str:
        raise ConnectionRefusedError("nobody there")

    answer = page("/metrics", lambda: (FACTS, WELL), gone)

    assert (answer.status, answer.body) == (503, "the engine's metrics cannot be read: nobody there\n")


def echo(path: str) -> Answer:
    return Answer(200, "text/plain", path)


def test_it_serves_get_and_head() -> None:
    with probe_server("127.0.0.1", 0, echo) as port:
        status, body, headers = get(port, "/livez?verbose=1")
        assert (status, body, headers["Content-Type"]) == (200, "/livez", "text/plain")
        assert get(port, "/livez", method="HEAD")[:2] == (200, "")
        assert get(port, "/livez", method="POST")[0] == 501
    with pytest.raises(ConnectionRefusedError):
        get(port, "/livez")


@pytest.mark.parametrize("sent", [b"", b"GET /livez", b"\x16\x03\x01\x00\x00", b"nonsense\r\n\r\n", b"A" * 70_000])
def test_a_client_that_talks_nonsense_holds_up_nobody(sent: bytes) -> None:
    with probe_server("127.0.0.1", 0, echo) as port, socket.create_connection(("127.0.0.1", port)) as silent:
        silent.sendall(sent)
        assert get(port, "/readyz")[0] == 200


def test_an_answer_that_takes_long_holds_up_no_other() -> None:
    go_on = threading.Event()

    def answer(path: str) -> Answer:
        if path == "/metrics":
            assert go_on.wait(30)
        return echo(path)

    with probe_server("127.0.0.1", 0, answer) as port:
        results: list[Any] = []
        slow = threading.Thread(target=lambda: results.append(get(port, "/metrics")))
        slow.start()
        assert get(port, "/livez")[0] == 200
        go_on.set()
        slow.join(30)
        assert results[0][0] == 200


def test_an_address_of_version_six() -> None:
    with probe_server("::1", 0, echo) as port, socket.create_connection(("::1", port)) as connection:
        connection.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.0 200")


@pytest.mark.parametrize("host", ["127.0.0.1", "no.such.host.invalid"])
def test_an_address_that_cannot_be_listened_on_is_named(host: str) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(InvalidInput) as refused,
        probe_server(host, taken.getsockname()[1], echo),
    ):
        pass

    [field] = refused.value.fields
    assert field.field == "SAGAMESH_PROBE_PORT"
    assert host in field.problem


def test_many_that_never_finish_keep_nobody_out() -> None:
    """Each sends a part of a request and no more; a probe is answered all the same, and their threads are bounded."""
    before = threading.active_count()
    with ExitStack() as stack, probe_server("127.0.0.1", 0, echo) as port:
        for _ in range(200):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            slow.sendall(b"GET /livez HTTP/1.1\r\nX: ")
        assert get(port, "/readyz")[0] == 200

        deadline = time.monotonic() + 30
        while threading.active_count() - before > 80:  # those that were hung up on are about to end
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_one_that_sends_a_byte_now_and_then_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_LONGEST", 0.5)
    with probe_server("127.0.0.1", 0, echo) as port, socket.create_connection(("127.0.0.1", port)) as slow:
        slow.settimeout(0.05)
        deadline = time.monotonic() + 30
        while True:
            assert time.monotonic() < deadline
            try:
                slow.sendall(b"A")
                if slow.recv(100) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break


def test_what_cannot_be_answered_is_no_yes(caplog: pytest.LogCaptureFixture) -> None:
    def broken(path: str) -> Answer:
        raise ValueError(f"no idea of {path}")

    with probe_server("127.0.0.1", 0, broken) as port:
        status, body, _ = get(port, "/livez")

    assert (status, body) == (500, "it cannot be said: see the log of the process\n")
    assert "no idea of /livez" in caplog.text


def test_a_burst_of_probes_is_answered() -> None:
    with probe_server("127.0.0.1", 0, echo) as port:
        results: list[int] = []

        def ask() -> None:
            results.extend(get(port, "/livez")[0] for _ in range(50))

        askers = [threading.Thread(target=ask) for _ in range(20)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join(60)
    assert results == [200] * 1000
