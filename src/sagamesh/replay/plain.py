"""The engine's messages as plain words and JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TypeAlias

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import Payload, Priority, RetryPolicy
from temporalio.api.failure.v1 import Failure

from sagamesh.compatibility import VERSION_HEADERS
from sagamesh.replay.command import Json

__all__ = [
    "Data",
    "duration",
    "failure",
    "fields",
    "header",
    "json_of",
    "options",
    "priority",
    "retry",
    "values",
    "without_patches",
]

Data: TypeAlias = dict[str, tuple[Json, ...]]
"""Decoded payloads by word, as `Command.data` holds them."""

_PATCHES = "TemporalChangeVersion"  # the engine sets it beside each patch marker
_NANOS = 1_000_000_000
# Tracing puts another value into these on every run. A new version of an agent changes nothing that a task does.
_UNCOMPARED = frozenset({"_tracer-data", "traceparent", "tracestate", "baggage"}) | VERSION_HEADERS


def duration(value: Duration) -> str | None:
    """`90s`, `15m`, `24h`, `0.25s`; None for one that is not set (which the engine does not tell from 0)."""
    nanos = value.ToNanoseconds()
    if not nanos:
        return None
    for unit, size in (("h", 3600 * _NANOS), ("m", 60 * _NANOS)):
        if nanos % size == 0:
            return f"{nanos // size}{unit}"
    return f"{(Decimal(nanos) / _NANOS).normalize():f}s"


def options(found: Mapping[str, str | None]) -> dict[str, str]:
    """The options that are set."""
    return {word: value for word, value in found.items() if value}


def retry(policy: RetryPolicy | None) -> dict[str, str]:
    """The retry options that are set."""
    if policy is None:
        return {}
    return options(
        {
            "retry first interval": duration(policy.initial_interval),
            "retry longest interval": duration(policy.maximum_interval),
            "retry factor": f"{policy.backoff_coefficient:g}" if policy.backoff_coefficient else None,
            "retry attempts": str(policy.maximum_attempts) if policy.maximum_attempts else None,
            "not retried": ", ".join(policy.non_retryable_error_types) or None,
        }
    )


def priority(value: Priority) -> dict[str, str]:
    """The priority and fairness options that are set."""
    return options(
        {
            "priority": str(value.priority_key) if value.priority_key else None,
            "fairness key": value.fairness_key or None,
            "fairness weight": f"{value.fairness_weight:g}" if value.fairness_weight else None,
        }
    )


def json_of(payload: Payload) -> Json:
    """What a decoded payload holds. What is not JSON becomes its encoding and its bytes in base64."""
    encoding = payload.metadata.get("encoding", b"").decode()
    if encoding == "binary/null":
        return None
    if encoding.startswith("json/"):
        try:
            parsed: Json = json.loads(payload.data)
        except ValueError:
            pass  # then it is bytes like any other
        else:
            return parsed
    return {"encoding": encoding, "base64": base64.b64encode(payload.data).decode()}


def values(word: str, payloads: Iterable[Payload]) -> Data:
    """Payloads under a word, for `Command.data`; nothing when there are none."""
    found = tuple(json_of(payload) for payload in payloads)
    return {word: found} if found else {}


def fields(word: str, payloads: Mapping[str, Payload]) -> Data:
    """Named payloads (memo, search attributes) as one JSON object under a word; nothing when there are none."""
    found: dict[str, Json] = {name: json_of(payload) for name, payload in payloads.items()}
    return {word: (found,)} if found else {}


def without_patches(attributes: Mapping[str, Payload]) -> dict[str, Payload]:
    """The search attributes without the one in which the engine lists patches."""
    return {name: payload for name, payload in attributes.items() if name != _PATCHES}


def header(payloads: Mapping[str, Payload]) -> Data:
    """The header without what tracing put there, and without agents' versions."""
    return fields("header", {name: payload for name, payload in payloads.items() if name not in _UNCOMPARED})


def failure(value: Failure) -> Json:
    """A failure with its causes: type, message, details. Stack traces and worker identities are left out."""
    message = value.message
    if value.HasField("encoded_attributes"):
        encoded = json_of(value.encoded_attributes)
        if isinstance(encoded, dict):
            message = str(encoded.get("message", message))
    found: dict[str, Json] = {"message": message}
    kind = value.WhichOneof("failure_info")
    if kind == "application_failure_info":
        application = value.application_failure_info
        found["type"] = application.type
        found["retried"] = not application.non_retryable
        found["details"] = [json_of(payload) for payload in application.details.payloads]
    elif kind == "activity_failure_info":
        found["activity"] = value.activity_failure_info.activity_type.name
        found["activity id"] = value.activity_failure_info.activity_id
    elif kind == "child_workflow_execution_failure_info":
        found["child workflow"] = value.child_workflow_execution_failure_info.workflow_type.name
    elif kind == "timeout_failure_info":
        found["timeout"] = int(value.timeout_failure_info.timeout_type)
    elif kind == "canceled_failure_info":
        found["details"] = [json_of(payload) for payload in value.canceled_failure_info.details.payloads]
    if kind:
        found["kind"] = kind.removesuffix("_failure_info").replace("_", " ")
    if value.HasField("cause"):
        found["cause"] = failure(value.cause)
    return found
