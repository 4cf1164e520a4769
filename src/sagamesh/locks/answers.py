"""Which answers of locks a task still wants: the rules, without an effect."""

from __future__ import annotations

from sagamesh.locks.messages import Grant

__all__ = ["Answers"]


class Answers:
    """The requests of one task that are open, and what was answered.

    An attempt at a request may reach the lock after its block has ended, as another request that nobody waits for. It
    is granted like any other, so whatever was granted and is not open has to be given back.
    """

    def __init__(self) -> None:
        self._open: set[str] = set()
        self._unnamed = 0
        self._answers: dict[str, Grant] = {}

    def asks(self, request: str) -> None:
        """A request is on its way. Until `asked` it may turn out to have another name."""
        self._open.add(request)
        self._unnamed += 1

    def asked(self, request: str, name: str) -> None:
        """The request that is on its way was made under this name, or is given up under its own."""
        self._open.discard(request)
        self._open.add(name)
        self._unnamed -= 1

    def take(self, grant: Grant) -> None:
        """A lock has answered."""
        self._answers[grant.request] = grant

    def has(self, request: str) -> bool:
        """Whether there is an answer to this request."""
        return request in self._answers

    def pop(self, request: str) -> Grant:
        """The answer to this request, which there is, to be read once."""
        return self._answers.pop(request)

    def forget(self, request: str) -> None:
        """What was answered so far does not count."""
        self._answers.pop(request, None)

    def close(self, request: str) -> None:
        """Nobody waits for this request any more."""
        self._open.discard(request)
        self.forget(request)

    def strays(self) -> list[Grant]:
        """What was granted to nobody, to be given back; it is told once.

        None is, while a request is on its way: in a task that was reset, it may be that one's, under the name that the
        run before gave it.
        """
        if self._unnamed:
            return []
        strays = [self._answers.pop(request) for request in list(self._answers) if request not in self._open]
        return [grant for grant in strays if grant.until is not None]
