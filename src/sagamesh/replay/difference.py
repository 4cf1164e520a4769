"""How two JSON values differ, in words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Final

from sagamesh.replay.command import Json

__all__ = ["data_differences", "option_differences"]

_LONGEST = 120  # characters of a value that are shown
_MISSING: Final = object()


def option_differences(was: Mapping[str, str], now: Mapping[str, str], allowed: Mapping[str, str | None]) -> list[str]:
    """`start-to-close timeout was 15s, is now 20s`, one for each option that differs, in the order of the words."""
    found = []
    for word in dict.fromkeys([*was, *now]):
        before, after = was.get(word), now.get(word)
        if before == after or (word in allowed and allowed[word] == before):
            continue
        found.append(f"{word} was {before or 'not set'}, is now {after or 'not set'}")
    return found


def data_differences(was: Mapping[str, tuple[Json, ...]], now: Mapping[str, tuple[Json, ...]]) -> list[str]:
    """`argument money.amount was "12.50", is now "12.51"`, one for each place that differs."""
    found: list[str] = []
    for word in dict.fromkeys([*was, *now]):
        before, after = was.get(word, ()), now.get(word, ())
        numbered = max(len(before), len(after)) > 1
        for n, (old, new) in enumerate(zip_longest(before, after, fillvalue=_MISSING), start=1):
            subject = f"{word} {n}" if numbered else word
            found += [f"{subject}{' ' if path else ''}{path} {text}" for path, text in _walk("", old, new)]
    return found


def _walk(path: str, was: object, now: object) -> list[tuple[str, str]]:
    if isinstance(was, dict) and isinstance(now, dict):
        found = []
        for key in dict.fromkeys([*was, *now]):
            inner = f"{path}.{key}" if path else str(key)
            found += _walk(inner, was.get(key, _MISSING), now.get(key, _MISSING))
        return found
    if isinstance(was, list) and isinstance(now, list):
        pairs = zip_longest(was, now, fillvalue=_MISSING)
        return [found for n, (old, new) in enumerate(pairs) for found in _walk(f"{path}[{n}]", old, new)]
    if _same(was, now):
        return []
    return [(path, f"was {_shown(was)}, is now {_shown(now)}")]


def _same(was: object, now: object) -> bool:
    # True == 1 in Python, but not in JSON.
    return was is now or (isinstance(was, bool) is isinstance(now, bool) and was == now)


def _shown(value: object) -> str:
    if value is _MISSING:
        return "missing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def shortened(problems: Sequence[str], most: int) -> list[str]:
    """At most so many problems, the rest as a count."""
    if len(problems) <= most:
        return list(problems)
    return [*problems[:most], f"... and {len(problems) - most} more differences"]
