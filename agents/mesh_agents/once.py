"""Lists in which nothing may stand twice."""

from __future__ import annotations

from collections.abc import Sequence

from sagamesh.failure import FieldError

__all__ = ["check_once"]


def check_once(where: str, values: Sequence[str]) -> None:
    """Refuse the first value that repeats. `where` names the field, `{}` in the place of the index: `items[{}].sku`.

    Raises:
        FieldError: naming the entry.
    """
    for n, value in enumerate(values):
        if value in values[:n]:
            raise FieldError(where.format(n), f"{value} stands here more than once")
