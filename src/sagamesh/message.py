"""The base of the models that travel between tasks and agents."""

from pydantic import BaseModel, ConfigDict

from sagamesh.errors import DefinitionError

__all__ = ["Message", "check_models"]


class Message(BaseModel):
    """An immutable pydantic model that refuses unknown fields.

    A misspelled field in an order must be an error, not silence, whichever SDK sent it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


def check_models(owner: str, **models: object) -> None:
    """Refuse what is not a pydantic model class; `owner` and the keyword name it in the message.

    Raises:
        DefinitionError: for the first that is none.
    """
    for word, model in models.items():
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise DefinitionError(f"{owner}: {word} must be a pydantic model, not {model!r}")
