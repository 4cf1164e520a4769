"""What a task needs of whoever is to serve a call."""

from __future__ import annotations

from typing import Annotated, Self

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version
from pydantic import Field, field_validator, model_validator

from sagamesh.failure import FieldError
from sagamesh.message import Message

__all__ = ["Need", "Requirements", "within"]

Word = Annotated[str, Field(min_length=1, max_length=100)]
Words = Annotated[tuple[Word, ...], Field(max_length=50)]


class Requirements(Message):
    """What a candidate must be like, whatever the capability.

    - `required`, `excluded`: tags that it must have, and must not have.
    - `preferred`: tags that it should have; the more of them, the better.
    - `version`: the range of its agent's version, such as `>=1,<2` (PEP 440); empty for any.
    - `zones`: where it may be, nearest first; nothing outside these is allowed. Empty for anywhere.
    - `scopes`: what the caller is allowed; a capability that demands more is refused.
    - `most_waiting`: so many calls may wait for each of its workers, else it counts as busy; None for any number.
    """

    required: Words = ()
    preferred: Words = ()
    excluded: Words = ()
    version: Annotated[str, Field(max_length=200)] = ""
    zones: Words = ()
    scopes: Words = ()
    most_waiting: Annotated[int, Field(ge=0)] | None = None

    @field_validator("version")
    @classmethod
    def _is_range(cls, version: str) -> str:
        try:
            SpecifierSet(version)
        except InvalidSpecifier:
            raise ValueError(f"{version!r} is no range of versions, such as '>=1,<2'") from None
        return version

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        both = sorted({*self.required, *self.preferred} & set(self.excluded))
        if both:
            raise FieldError("excluded", f"{', '.join(both)} cannot be wanted and excluded")
        return self


class Need(Requirements):
    """A capability, and what whoever serves it must be like.

    - `capability`: `<agent>.<capability>` for one agent in any of its zones, or the short name alone for whichever
      agents have a capability of that name.
    """

    capability: Annotated[str, Field(min_length=1, max_length=100)]


def within(version: str, allowed: str) -> bool:
    """Whether a version lies in a range; one that is no version (PEP 440) lies in none."""
    try:
        return SpecifierSet(allowed).contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False
