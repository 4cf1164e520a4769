"""The engine's client library in a process of Sagamesh: where it logs, where it serves its metrics, and how often its
workers tell the server of themselves."""

from __future__ import annotations

import logging
import socket
from datetime import timedelta
from typing import Final

from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)

__all__ = ["log_and_measure", "log_through_python"]

_LOOPBACK: Final = "127.0.0.1"
_TRIES: Final = 5
_TELLS: Final = timedelta(seconds=10)
"""Between two polls of an idle worker there may be a minute, in which nobody knows whether it lives."""


def log_through_python() -> None:
    """Let the engine's library log through Python's `logging` in this process, from warnings upwards.

    By itself it writes to standard output, where it would stand in the middle of JSON. For processes that are
    Sagamesh's own; call it before the first connection.
    """
    telemetry = TelemetryConfig(logging=_logging())
    Runtime.set_default(Runtime(telemetry=telemetry, worker_heartbeat_interval=_TELLS), error_if_already_set=False)


def log_and_measure() -> str:
    """As `log_through_python`, and let the library serve its metrics. Returns the address, a loopback `host:port`.

    Raises:
        ValueError: when no port is free.
    """
    for last in (False,) * (_TRIES - 1) + (True,):
        # The library does not tell which port it was given, so it cannot be left to choose.
        with socket.create_server((_LOOPBACK, 0)) as free:
            address = f"{_LOOPBACK}:{free.getsockname()[1]}"
        metrics = PrometheusConfig(bind_address=address, durations_as_seconds=True)
        telemetry = TelemetryConfig(logging=_logging(), metrics=metrics, attach_service_name=False)
        try:
            runtime = Runtime(telemetry=telemetry, worker_heartbeat_interval=_TELLS)
        except ValueError:  # somebody else was given that port meanwhile
            if last:
                raise
            continue
        Runtime.set_default(runtime, error_if_already_set=False)
        return address
    raise AssertionError  # the last try returns or raises


def _logging() -> LoggingConfig:
    forwarding = LogForwardingConfig(
        logger=logging.getLogger("temporalio.core"), append_target_to_name=False, prepend_target_on_message=False
    )
    return LoggingConfig(filter=TelemetryFilter(core_level="WARN", other_level="ERROR"), forwarding=forwarding)
