"""When spans are sent: the standard environment of OpenTelemetry, read as a table."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sagamesh.errors import InvalidInput
from sagamesh.tracing.environment import wants_traces

HERE = "http://localhost:4318"


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "payment"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://collector.example/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": HERE}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_SDK_DISABLED": "false"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": HERE,
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            },
            True,
        ),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, False),
    ],
)
def test_whether(environment: dict[str, str], wanted: bool) -> None:
    assert wants_traces(environment) is wanted


@pytest.mark.parametrize(
    ("environment", "field"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL"),
        ({"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"}, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://me:secret@collector:port"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "ftp://collector"}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
    ],
)
def test_refused_by_the_name_of_the_variable(environment: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        wants_traces({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE} | environment)

    assert [problem.field for problem in caught.value.fields] == [field]
    assert "secret" not in str(caught.value)


def test_nothing_is_imported_while_it_is_off() -> None:
    program = """
import sys
from temporalio.client import Client
import sagamesh.worker
from sagamesh import SagameshPlugin
from sagamesh.tracing.switch import trace_process, untraced
config = SagameshPlugin().configure_client({"interceptors": []})
trace_process("payment")
with untraced():
    pass
print(config["interceptors"], [name for name in sys.modules if name.startswith("opentelemetry")])
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env={})

    assert ran.stdout == "[] []\n"


def test_what_is_not_installed_stops_nobody() -> None:
    program = """
import sys
sys.modules["opentelemetry"] = None
from sagamesh.tracing.switch import trace_client
print(trace_client())
"""
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": HERE}
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)

    assert ran.stdout == "()\n"
    assert "install sagamesh[tracing]" in ran.stderr
