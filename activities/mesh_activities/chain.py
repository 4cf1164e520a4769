"""Versions of a record, each bound to the one before: nobody changes an old one without breaking all that follow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from pydantic import JsonValue

__all__ = ["FIRST", "Link", "breaks", "canonical", "digest_of"]

FIRST: Final = ""
"""What stands before the first version."""


class Link(NamedTuple):
    """One version as it is kept: its content as canonical text."""

    version: int
    body: str
    digest: str


def canonical(body: Mapping[str, JsonValue]) -> str:
    """The one JSON text of this content: equal contents have equal texts."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(before: str, body: str) -> str:
    """The digest of a version: of the digest before it (`FIRST` for the first) and its content as canonical text."""
    return hashlib.sha256(f"{before}\n{body}".encode()).hexdigest()


def breaks(name: str, links: Sequence[Link]) -> list[str]:
    """What does not hold in the versions of one record, in their order, a sentence each; empty when all does."""
    found = []
    before = FIRST
    for expected, link in enumerate(links, start=1):
        if link.version != expected:
            found.append(f"{name}: version {expected} is missing, {link.version} stands in its place")
        if link.digest != digest_of(before, link.body):
            found.append(f"{name}: version {link.version} is not what was filed")
        before = link.digest
    return found
