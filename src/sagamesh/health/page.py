"""What each path answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Final

from sagamesh.health.probe import Answer
from sagamesh.health.verdict import Facts, Verdict

__all__ = ["PATHS", "page"]

PATHS: Final = ("/startupz", "/livez", "/readyz", "/health", "/metrics")

_TEXT: Final = "text/plain; charset=utf-8"
_METRICS: Final = "text/plain; version=0.0.4; charset=utf-8"
_READY: Final = (
    "# HELP sagamesh_worker_ready 1 while this process answers /readyz with yes, 0 while it does not\n"
    "# TYPE sagamesh_worker_ready gauge\n"
    "sagamesh_worker_ready {}\n"
)


def page(path: str, verdict: Callable[[], tuple[Facts, Verdict]], metrics: Callable[[], str]) -> Answer:
    """The answer to a GET of this path: 200 for yes, 503 for no with a reason a line; 404 for an unknown path."""
    if path == "/metrics":
        try:
            return Answer(200, _METRICS, metrics() + _READY.format(int(not verdict()[1].not_ready)))
        except OSError as error:
            return Answer(503, _TEXT, f"the engine's metrics cannot be read: {error}\n")
    if path not in PATHS:
        return Answer(404, _TEXT, f"there are {', '.join(PATHS)}\n")
    facts, found = verdict()
    reasons = {"/livez": found.not_live, "/readyz": found.not_ready, "/startupz": found.not_started}
    if path in reasons:
        return _short(reasons[path])
    return Answer(503 if found.not_ready else 200, "application/json", _health(facts, found))


def _short(reasons: tuple[str, ...]) -> Answer:
    return Answer(503 if reasons else 200, _TEXT, "".join(f"{reason}\n" for reason in reasons) or "ok\n")


def _health(facts: Facts, found: Verdict) -> str:
    document = {
        "live": not found.not_live,
        "ready": not found.not_ready,
        "started": not found.not_started,
        **{name: list(reasons) for name, reasons in asdict(found).items()},
        "stopping": facts.stopping,
        "busy": any(seen.busy for seen in facts.seen),
        "loop_seconds": round(facts.beat, 1),
        "checks": [
            {
                "name": seen.name,
                "kind": seen.kind,
                "ok": seen.problem is None and seen.age is not None,
                "reason": seen.problem or "",
                "busy": seen.busy,
                "age_seconds": None if seen.age is None else round(seen.age, 1),
                "lasting_seconds": round(seen.lasting, 1) if seen.age is not None else None,
            }
            for seen in facts.seen
        ],
    }
    return json.dumps(document, indent=2) + "\n"
