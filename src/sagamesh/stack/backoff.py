"""How long a part that died waits before it is started again."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Backoff"]


@dataclass(slots=True)
class Backoff:
    """Pauses in seconds: `first`, then doubled up to `most`; from the start again after a life of `healthy` seconds."""

    first: float = 0.5
    most: float = 15.0
    healthy: float = 30.0
    _next: float = 0.0

    def after(self, lived: float) -> float:
        """The pause after a life of `lived` seconds."""
        if lived >= self.healthy or self._next == 0:
            self._next = self.first
        pause = self._next
        self._next = min(pause * 2, self.most)
        return pause
