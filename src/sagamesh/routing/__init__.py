"""Routing that explains itself: who serves a call, by what it needs and by how the mesh stands."""

from sagamesh.routing.candidate import Candidate, Figures, Reason, Refusal
from sagamesh.routing.decision import Considered, Decision, decide
from sagamesh.routing.need import Need, Requirements
from sagamesh.routing.route import route

__all__ = [
    "Candidate",
    "Considered",
    "Decision",
    "Figures",
    "Need",
    "Reason",
    "Refusal",
    "Requirements",
    "decide",
    "route",
]
