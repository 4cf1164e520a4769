"""One error of several that happened side by side."""

from __future__ import annotations

__all__ = ["first_of"]


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first of the errors themselves, however deep it lies."""
    for error in group.exceptions:
        return first_of(error) if isinstance(error, BaseExceptionGroup) else error
    return group
