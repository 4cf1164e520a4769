"""What goes with what: scores from counts, without a database."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from mesh_agents.recommendation import Suggestion

__all__ = ["pairs_of", "popular", "ranked"]

_DIGITS = 4


def pairs_of(skus: Sequence[str]) -> list[tuple[str, str]]:
    """Every two of them, each pair and the list in order."""
    ordered = sorted(skus)
    return [(first, second) for n, first in enumerate(ordered) for second in ordered[n + 1 :]]


def ranked(
    context: Sequence[str], bought: Mapping[str, int], together: Mapping[tuple[str, str], int], limit: int
) -> tuple[Suggestion, ...]:
    """What goes best with the context: the mean, over its products, of the cosine between the two.

    - `bought`: in how many purchases each product was; `together`: each pair of `pairs_of`. What was never bought, or
      never together, may be missing.
    """
    sums: dict[str, float] = {}
    for (first, second), count in together.items():
        for known, other in ((first, second), (second, first)):
            if known in context and other not in context:
                sums[other] = sums.get(other, 0.0) + count / math.sqrt(bought[known] * bought[other])
    return _best({sku: score / len(context) for sku, score in sums.items()}, limit)


def popular(bought: Mapping[str, int], purchases: int, limit: int) -> tuple[Suggestion, ...]:
    """What most purchases had in them: the share of them."""
    return _best({sku: count / purchases for sku, count in bought.items()}, limit)


def _best(scores: Mapping[str, float], limit: int) -> tuple[Suggestion, ...]:
    order = sorted(scores, key=lambda sku: (-scores[sku], sku))
    return tuple(Suggestion(sku=sku, score=round(scores[sku], _DIGITS)) for sku in order[:limit])
