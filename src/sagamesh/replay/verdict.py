"""What the gate says about one history."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Verdict"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether today's code still does what a history recorded.

    - `problems`: each difference in words; empty when it passes.
    - `commands`: how many recorded commands were compared.
    - `source`: the file of the history; empty when it came from a server.
    """

    workflow_id: str
    run_id: str
    workflow_type: str
    problems: tuple[str, ...]
    commands: int
    source: str = ""

    @property
    def ok(self) -> bool:
        """True when nothing differs."""
        return not self.problems

    def __str__(self) -> str:
        name = self.source or self.workflow_id
        head = f"{'pass' if self.ok else 'FAIL'}  {name}  {self.workflow_type}, {self.commands} commands"
        return "\n".join([head, *(f"      {problem}" for problem in self.problems)])
