"""The base of the models that travel between tasks and agents."""

from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    """An immutable pydantic model that refuses unknown fields.

    A misspelled field in an order must be an error, not silence, whichever SDK sent it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
