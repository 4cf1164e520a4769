"""The replay gate: does today's code still do what recorded histories say?"""

from sagamesh.replay.advice import advice
from sagamesh.replay.fingerprint import fingerprint_of
from sagamesh.replay.gate import replay, verdicts
from sagamesh.replay.golden import changed_fingerprint, read_history, write_golden
from sagamesh.replay.verdict import Verdict

__all__ = [
    "Verdict",
    "advice",
    "changed_fingerprint",
    "fingerprint_of",
    "read_history",
    "replay",
    "verdicts",
    "write_golden",
]
