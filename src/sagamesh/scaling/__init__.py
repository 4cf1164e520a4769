"""How many processes a pool needs: the arithmetic of a HorizontalPodAutoscaler and of KEDA, as pure functions.

The embedded stack decides by it, and tests drive it with the numbers of the chart. Nothing here reads a clock.
"""

from sagamesh.scaling.autoscaler import Autoscaler, Decision
from sagamesh.scaling.figures import Figure, average_value, utilization
from sagamesh.scaling.idle import Idle
from sagamesh.scaling.rules import Behavior, Policy, Rules

__all__ = [
    "Autoscaler",
    "Behavior",
    "Decision",
    "Figure",
    "Idle",
    "Policy",
    "Rules",
    "average_value",
    "utilization",
]
