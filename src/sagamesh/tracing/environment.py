"""What the standard environment of OpenTelemetry says about traces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from sagamesh.errors import InvalidInput
from sagamesh.failure import FieldProblem

__all__ = ["wants_traces"]

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_EXPORTER: Final = "OTEL_TRACES_EXPORTER"
_PROTOCOL: Final = "http/protobuf"


def wants_traces(environment: Mapping[str, str]) -> bool:
    """Whether spans are to be sent: an endpoint is named, or the exporter `otlp`, and nothing switches it off.

    Raises:
        InvalidInput: when spans are to be sent in a way that there is not; it names the variable.
    """
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environment.get(_EXPORTER, "").strip().lower()
    if exporter == "none" or not (exporter or _first(_ENDPOINTS, environment)):
        return False
    if problems := list(_problems(exporter, environment)):
        raise InvalidInput("the environment", problems)
    return True


def _problems(exporter: str, environment: Mapping[str, str]) -> Iterable[FieldProblem]:
    if exporter not in ("", "otlp"):
        yield FieldProblem(field=_EXPORTER, problem="only otlp and none are known")
    name = _first(_PROTOCOLS, environment)
    if name and environment[name].strip().lower() != _PROTOCOL:
        yield FieldProblem(field=name, problem=f"only {_PROTOCOL} is spoken, usually on port 4318")
    name = _first(_ENDPOINTS, environment)
    if name and not _is_address(environment[name].strip()):
        # Not repeated: an address may carry a password.
        yield FieldProblem(field=name, problem="must be an address such as http://collector:4318")


def _first(names: Iterable[str], environment: Mapping[str, str]) -> str | None:
    return next((name for name in names if environment.get(name, "").strip()), None)


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
