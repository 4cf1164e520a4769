"""Load: many tasks at a pace, from a mix, each held against the end that it should have."""

from sagamesh.load.figures import Figures
from sagamesh.load.generator import Generator
from sagamesh.load.mix import Deck, Mix, read_mix
from sagamesh.load.pace import Pace
from sagamesh.load.record import Ended, Record
from sagamesh.load.sender import Sender
from sagamesh.load.tally import Mismatch, Tally

__all__ = ["Deck", "Ended", "Figures", "Generator", "Mismatch", "Mix", "Pace", "Record", "Sender", "Tally", "read_mix"]
