"""Routing that explains itself: who serves a call, by what it needs and by how the mesh stands."""

from sagamesh.routing.bid import Bid, Offer, Scored, Told, Weights, choose
from sagamesh.routing.candidate import Candidate, Figures, Reason, Refusal
from sagamesh.routing.contract import (
    CentralRequest,
    CentralResult,
    NegotiatedRequest,
    NegotiatedResult,
    Replaced,
    central,
    negotiated,
)
from sagamesh.routing.decision import Considered, Decision, decide
from sagamesh.routing.need import Need, Requirements
from sagamesh.routing.parts import Part, Parts, gather_parts
from sagamesh.routing.route import route

__all__ = [
    "Bid",
    "Candidate",
    "CentralRequest",
    "CentralResult",
    "Considered",
    "Decision",
    "Figures",
    "Need",
    "NegotiatedRequest",
    "NegotiatedResult",
    "Offer",
    "Part",
    "Parts",
    "Reason",
    "Refusal",
    "Replaced",
    "Requirements",
    "Scored",
    "Told",
    "Weights",
    "central",
    "choose",
    "decide",
    "gather_parts",
    "negotiated",
    "route",
]
