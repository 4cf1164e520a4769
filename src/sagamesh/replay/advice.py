"""What to do when the gate fails."""

from __future__ import annotations

__all__ = ["advice"]

_ADVICE = """\
The code no longer does what these histories recorded. Tasks of that kind that run now would stop with an error, or go
on in another way than they began.

- It was not meant: take the change back.
- It was meant, and such tasks may still run: keep the old path for them.

      if workflow.patched("what-changed"):
          ...  # the new path
      else:
          ...  # the old path, until no task needs it any more

- It was meant, and what runs may take it over (another timeout, say), or nothing of that kind runs any more:
  {record}, and let the changed fingerprints be reviewed.
"""


def advice(record: str = "record the histories again") -> str:
    """The three ways on, as text. `record`: how this project records its histories."""
    return _ADVICE.format(record=record)
