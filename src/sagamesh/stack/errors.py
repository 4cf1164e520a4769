"""What goes wrong with the embedded stack itself."""

from __future__ import annotations

from sagamesh.errors import SagameshError

__all__ = ["PortTaken", "StackFailed"]


class StackFailed(SagameshError):
    """The embedded stack did not start, or could not go on; the message names the part and what its log says."""


class PortTaken(StackFailed):
    """A port that the stack was told to use is taken; the message names its owner and the option to change."""
