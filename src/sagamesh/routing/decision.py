"""Who serves a call: the decision, from figures alone. No clock, no connection, no chance."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from sagamesh.capability import Capability, In, Out
from sagamesh.errors import DefinitionError
from sagamesh.message import Message
from sagamesh.routing.candidate import Candidate, Figures, Reason, Refusal
from sagamesh.routing.need import Need, within

__all__ = ["Considered", "Decision", "decide"]


class Considered(Message):
    """A candidate with the figures by which it was judged.

    - `rank`: 1 for the one that was chosen, then the next best; None for one that was refused.
    - `refusals`: every reason against it.
    - `behind`: what put it behind the one that was chosen.
    """

    candidate: Candidate
    figures: Figures
    rank: int | None = None
    refusals: tuple[Refusal, ...] = ()
    behind: str = ""

    @property
    def why_not(self) -> str:
        """Why it was not chosen, for people; empty for the one that was."""
        return "; ".join(map(str, self.refusals)) or self.behind

    @property
    def passing(self) -> bool:
        """Whether all that speaks against it may pass by itself."""
        return all(refusal.reason.passing for refusal in self.refusals)


class Decision(Message):
    """Who was chosen for a need, and how each candidate stood: first those that would do, by rank, then the refused."""

    need: Need
    considered: tuple[Considered, ...]

    @property
    def ranked(self) -> tuple[Candidate, ...]:
        """The candidates that would do, the best first."""
        return tuple(each.candidate for each in self.considered if each.rank is not None)

    @property
    def refused(self) -> tuple[Considered, ...]:
        """The candidates that would not."""
        return tuple(each for each in self.considered if each.rank is None)

    @property
    def chosen(self) -> Candidate | None:
        """The best candidate; None when none would do. What `route` returns always has one."""
        return self.ranked[0] if self.ranked else None

    @property
    def worth_waiting(self) -> bool:
        """Whether one that was refused may do later, without anybody deploying anything."""
        return any(each.passing for each in self.refused)

    def on(self, capability: Capability[In, Out]) -> Capability[In, Out]:
        """A capability of the chosen agent, on the queue that was chosen: a step and its undo go to the same zone.

        Raises:
            DefinitionError: for a capability of another agent, or where nobody was chosen.
        """
        chosen = self.chosen
        if chosen is None:
            raise DefinitionError(f"nobody was chosen for {self.need.capability}")
        if capability.agent != chosen.agent:
            raise DefinitionError(f"{capability.type} is not of {chosen.agent}, which was chosen")
        return capability.in_zone(chosen.zone or None)

    def explain(self) -> str:
        """Every refused candidate with its reasons, in one sentence each."""
        return "; ".join(f"{each.candidate.queue}: {', '.join(map(str, each.refusals))}" for each in self.refused)


def decide(
    need: Need,
    candidates: Sequence[Candidate],
    figures: Mapping[str, Figures],
    *,
    salt: str = "",
    refusals: Mapping[str, Sequence[Refusal]] | None = None,
) -> Decision:
    """Choose among candidates.

    Refused is who does not meet the need, is not allowed, or cannot take calls now. The others are ranked: nearest
    zone first, then more of the preferred tags, then fewer calls that wait for each worker, then the shorter wait of
    the oldest. Whose breaker is half-open may come first, as a probe, where no call waits there yet to be one; it is
    nobody's second choice. Whoever is alike in all this is told apart by a digest of `salt` and queue, so that tasks
    (whose ids are the salt) spread over equals, and the same task always decides alike.

    - `figures`: by queue; a queue without figures has nobody alive.
    - `refusals`: by queue, what else speaks against it.
    """
    told = refusals or {}
    kept: list[Considered] = []
    refused: list[Considered] = []
    for candidate in candidates:
        known = figures.get(candidate.queue, Figures())
        against = (*_against(need, candidate), *told.get(candidate.queue, ()), *_unable(need, known))
        each = Considered(candidate=candidate, figures=known, refusals=against)
        (refused if against else kept).append(each)
    kept.sort(key=lambda each: _place(need, each, salt))
    for each in kept[1:]:
        if each.figures.probe_seconds:
            # Its probes are few, and an offer that is not taken up would use up one.
            second = Refusal(reason=Reason.HELD, why="its breaker is half-open, and another is before it")
            refused.append(each.model_copy(update={"refusals": (second,)}))
    kept = [each for n, each in enumerate(kept) if not n or not each.figures.probe_seconds]
    refused.sort(key=lambda each: each.candidate.queue)
    ranked = (
        each.model_copy(update={"rank": n, "behind": _behind(need, kept[0], each)}) for n, each in enumerate(kept, 1)
    )
    return Decision(need=need, considered=(*ranked, *refused))


def _against(need: Need, candidate: Candidate) -> list[Refusal]:
    """What about the candidate itself does not meet the need."""
    found = []
    tags = set(candidate.tags)
    if missing := [tag for tag in need.required if tag not in tags]:
        found.append(Refusal(reason=Reason.MISSING_TAG, why=f"it lacks {', '.join(missing)}"))
    if excluded := [tag for tag in need.excluded if tag in tags]:
        found.append(Refusal(reason=Reason.EXCLUDED_TAG, why=f"it is {', '.join(excluded)}"))
    if need.version and not within(candidate.version, need.version):
        why = f"it is version {candidate.version}, needed is {need.version}"
        found.append(Refusal(reason=Reason.WRONG_VERSION, why=why))
    if need.zones and candidate.zone not in need.zones:
        where = f"in zone {candidate.zone}" if candidate.zone else "in no zone"
        why = f"it is {where}, allowed is {', '.join(need.zones)}"
        found.append(Refusal(reason=Reason.WRONG_ZONE, why=why))
    if lacking := [scope for scope in candidate.scopes if scope not in need.scopes]:
        found.append(Refusal(reason=Reason.NOT_ALLOWED, why=f"the caller lacks the scope {', '.join(lacking)}"))
    return found


def _unable(need: Need, figures: Figures) -> list[Refusal]:
    """What keeps it from taking a call now."""
    found = []
    if not figures.workers:
        seen = figures.last_seen_seconds
        last = "nobody has asked for work yet" if seen is None else f"nobody has asked for work for {seen:.0f} s"
        found.append(Refusal(reason=Reason.NOBODY_ALIVE, why=last))
    if figures.held:
        found.append(Refusal(reason=Reason.HELD, why="its queue is held, as by an open breaker"))
    elif figures.probe_seconds and figures.backlog:
        why = "its breaker is half-open, and tries the calls that wait there already"
        found.append(Refusal(reason=Reason.HELD, why=why))
    if figures.workers and need.most_waiting is not None and figures.waiting > need.most_waiting:
        why = f"{figures.waiting:g} calls wait for each worker, allowed are {need.most_waiting}"
        found.append(Refusal(reason=Reason.BUSY, why=why))
    return found


def _place(need: Need, each: Considered, salt: str) -> tuple[int, int, float, float, str, str]:
    queue = each.candidate.queue
    digest = hashlib.sha256(f"{salt}\0{queue}".encode()).hexdigest() if salt else ""
    distance, preferred, waiting, oldest = _merits(need, each)
    return distance, -preferred, waiting, oldest, digest, queue


def _merits(need: Need, each: Considered) -> tuple[int, int, float, float]:
    """Its distance, its preferred tags, the calls that wait for each worker, and for how long the oldest does."""
    candidate, figures = each.candidate, each.figures
    distance = need.zones.index(candidate.zone) if need.zones else 0
    preferred = sum(tag in candidate.tags for tag in need.preferred)
    return distance, preferred, figures.waiting, figures.oldest_seconds


def _behind(need: Need, first: Considered, each: Considered) -> str:
    """The first thing in which it is worse than the one that was chosen."""
    if each is first:
        return ""
    ours, theirs = _merits(need, each), _merits(need, first)
    words = (
        "its zone is farther",
        "fewer preferred tags",
        "more calls wait for each worker",
        "its oldest call waits longer",
    )
    for word, our, their in zip(words, ours, theirs, strict=True):
        if our != their:
            return f"{word}: {our:g} against {their:g}"
    return "alike; the task's id decides"
