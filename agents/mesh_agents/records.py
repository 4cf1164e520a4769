"""Records: what must be found again exactly as it was; appended, never changed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, JsonValue, model_validator

from sagamesh import Agent, BusinessError, Message, Retry, seconds
from sagamesh.failure import FieldError

MOST_BYTES = 64 * 1024
"""How large the JSON text of one record may be."""

CollectionName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=64)]
RecordName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@+-]*$", max_length=256)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256, in hexadecimal."""


class NewRecord(Message):
    """What to keep: a JSON object of at most 64 KiB, under a name in a collection. No secrets: it is kept for good."""

    collection: CollectionName
    name: RecordName
    body: dict[str, JsonValue]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        size = len(self.model_dump_json(include={"body"}))
        if size > MOST_BYTES:
            raise FieldError("body", f"has {size:,} bytes, at most {MOST_BYTES:,} are kept in one record")
        return self


class RecordRef(Message):
    """One record; its newest version, or the one that is named."""

    collection: CollectionName
    name: RecordName
    version: Annotated[int, Field(ge=1)] | None = None


class Filed(Message):
    """A version that is kept. `digest` covers its content and the digest of the version before it."""

    collection: CollectionName
    name: RecordName
    version: int
    digest: Digest


class Record(Message):
    """A version with its content, and since when it is kept."""

    filed: Filed
    body: dict[str, JsonValue]
    filed_at: datetime


class Listing(Message):
    """Which records of a collection to name: at most `limit`, in the order of their names, those after `after`."""

    collection: CollectionName
    after: str = ""
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class Listed(Message):
    """The newest version of each. `more`: whether there are others after the last of them."""

    records: tuple[Filed, ...]
    more: bool


class UnknownRecord(BusinessError):
    """There is no such record, or not in this version. Details: `collection`, `name`, `version`."""


records = Agent("records", summary="What is kept for good")
put = records.capability(
    "put",
    takes=NewRecord,
    returns=Filed,
    timeout=seconds(10),
    queue_timeout=seconds(20),
    retry=Retry(attempts=5, most=seconds(5)),
    inline=True,
    summary="Keep the record",
)
get = records.capability(
    "get", takes=RecordRef, returns=Record, timeout=seconds(10), inline=True, summary="Find the record"
)
list_records = records.capability(
    "list", takes=Listing, returns=Listed, timeout=seconds(10), inline=True, summary="Name the records"
)
