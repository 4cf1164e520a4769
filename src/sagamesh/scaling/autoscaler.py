"""From figures over time to a number of replicas, as a HorizontalPodAutoscaler decides it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sagamesh.scaling.figures import Figure
from sagamesh.scaling.rules import Behavior, Change, limit

__all__ = ["Autoscaler", "Decision"]


@dataclass(frozen=True, slots=True)
class Decision:
    """How many replicas there should be, and why, for people."""

    replicas: int
    reason: str


class Autoscaler:
    """Remembers what it has recommended and changed; otherwise a pure function of its arguments.

    - `least`, `most`: replicas, whatever the figures say.

    Raises:
        ValueError: for bounds that contradict each other.
    """

    def __init__(self, least: int, most: int, behavior: Behavior) -> None:
        if not 1 <= least <= most:
            raise ValueError(f"at least 1 replica, and no more than most: not {least} to {most}")
        self.least = least
        self.most = most
        self._behavior = behavior
        self._recommended: list[tuple[float, int]] = []
        self._changes: list[Change] = []

    def decide(self, now: float, current: int, figures: Sequence[Figure]) -> Decision:
        """One look.

        - `now`: seconds of any clock that only goes forward.
        - `current`: replicas that are asked for now, ready or not.

        The figure that asks for most counts. While one is unknown, the others may ask for more, never for fewer.
        """
        decision = self._decided(now, current, figures)
        if decision.replicas != current:
            self._changes.append(Change(now, decision.replicas - current))
        return decision

    def _decided(self, now: float, current: int, figures: Sequence[Figure]) -> Decision:
        if current > self.most:
            return Decision(self.most, f"at most {self.most}")
        if current < self.least:
            return Decision(self.least, f"at least {self.least}")
        known = [(figure.wanted, figure) for figure in figures if figure.wanted is not None]
        if not known:
            return Decision(current, "nothing is known")
        wanted, figure = max(known, key=lambda each: each[0])
        reason = str(figure)
        if wanted < current and len(known) < len(figures):
            unknown = ", ".join(each.name for each in figures if each.wanted is None)
            return Decision(current, f"{unknown} unknown")
        steady, note = self._stabilized(now, current, wanted)
        return self._paced(now, current, steady, f"{reason}{note}")

    def _stabilized(self, now: float, current: int, wanted: int) -> tuple[int, str]:
        """The most careful recommendation of the window of each direction."""
        up, down = self._behavior.up.window, self._behavior.down.window
        self._recommended = [(at, n) for at, n in self._recommended if now - at < max(up, down)]
        self._recommended.append((now, wanted))
        least_of_up = min(n for at, n in self._recommended if at == now or now - at < up)
        most_of_down = max(n for at, n in self._recommended if at == now or now - at < down)
        steady = current
        if steady < least_of_up:
            steady = least_of_up
        if steady > most_of_down:
            steady = most_of_down
        return steady, "" if steady == wanted else f", was {steady} lately" if steady > wanted else ", not for long yet"

    def _paced(self, now: float, current: int, wanted: int, reason: str) -> Decision:
        longest = max(policy.period for rules in (self._behavior.up, self._behavior.down) for policy in rules.policies)
        self._changes = [change for change in self._changes if now - change.at < longest]
        if wanted > current:
            reach = min(self.most, limit(self._behavior.up, current, self._changes, now, up=True))
            reached = min(wanted, reach)
        else:
            reach = max(self.least, limit(self._behavior.down, current, self._changes, now, up=False))
            reached = max(wanted, reach)
        if reached == wanted:
            return Decision(reached, reason)
        bound = {self.most: "at most", self.least: "at least"}.get(reached)
        how = f"{bound} {reached}" if bound else f"by now {reached}"
        return Decision(reached, f"{reason}: {wanted}, {how}")
