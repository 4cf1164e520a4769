"""The replay gate: does today's code still do what recorded histories say?"""

from sagamesh.replay.gate import replay, verdicts
from sagamesh.replay.verdict import Verdict

__all__ = ["Verdict", "replay", "verdicts"]
