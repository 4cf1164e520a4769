"""What can be wrong with the key of an effect."""

from sagamesh import BusinessError

__all__ = ["CalledOff", "KeyReused"]


class KeyReused(BusinessError):
    """The key names an effect that was asked for with another input; nothing was done. Details: `key`."""


class CalledOff(BusinessError):
    """The effect was undone before this attempt came; nothing was done. Details: `key`."""
