"""Faults by rule: delays, errors and lost answers, put between the engine and the agents' implementations.

The rules stand in a JSON file that the environment variable SAGAMESH_FAULTS names. Without the variable nothing is
installed; without the file nothing is injected.
"""

from sagamesh.faults.interceptor import FaultInterceptor, fault_interceptors
from sagamesh.faults.rules import Injection, Rule, Rules
from sagamesh.faults.source import VARIABLE, RuleFile

__all__ = ["VARIABLE", "FaultInterceptor", "Injection", "Rule", "RuleFile", "Rules", "fault_interceptors"]
