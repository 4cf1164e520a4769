"""Whether a new version does as well as the old one."""

from __future__ import annotations

import pytest

from sagamesh.deployments.judgement import Figures, Judgement, Limits, judge

NONE = Figures()
FINE = Figures(ended=200, failed=4, seconds=(1.0,) * 196)


def _took(seconds: float, times: int = 20) -> Figures:
    return Figures(ended=times, seconds=(seconds,) * times)


@pytest.mark.parametrize(
    ("old", "new", "limits", "judgement", "reason"),
    [
        (FINE, NONE, Limits(), Judgement.GOOD, "nothing has ended on it"),
        (FINE, NONE, Limits(least=1), Judgement.EARLY, "0 of 1 that are needed have ended"),
        (FINE, Figures(10, 0), Limits(least=10), Judgement.GOOD, "0 of 10 failed"),
        # Failures: more than the limit, and more than chance.
        (FINE, Figures(10, 10), Limits(), Judgement.BAD, "10 of 10 failed, the old version 4 of 200 failed"),
        (FINE, Figures(10, 1), Limits(), Judgement.GOOD, "1 of 10 failed"),
        (FINE, Figures(10, 2), Limits(), Judgement.BAD, "2 of 10 failed"),
        (FINE, Figures(1, 1), Limits(), Judgement.BAD, "1 of 1 failed"),
        (Figures(10, 3), Figures(3, 2), Limits(), Judgement.GOOD, "2 of 3 failed"),
        (FINE, Figures(100, 7), Limits(errors=0.2), Judgement.GOOD, "7 of 100 failed"),
        (Figures(10_000, 100), Figures(10_000, 200), Limits(), Judgement.GOOD, "200 of 10000 failed"),
        # Bad ones are bad before enough have ended.
        (FINE, Figures(5, 5), Limits(least=50), Judgement.BAD, "5 of 5 failed"),
        # Without an old version the limit alone counts.
        (NONE, Figures(10, 0), Limits(), Judgement.GOOD, "0 of 10 failed"),
        (NONE, Figures(20, 2), Limits(), Judgement.GOOD, "2 of 20 failed"),
        (NONE, Figures(20, 10), Limits(), Judgement.BAD, "10 of 20 failed"),
        # What never ends is worse than what fails.
        (FINE, Figures(broken=1), Limits(), Judgement.BAD, "the code of 1 of its open tasks fails again and again"),
        # Times: medians of enough, and a difference that is felt.
        (_took(1.0), _took(1.4), Limits(), Judgement.GOOD, "0 of 20 failed"),
        (_took(1.0), _took(1.6), Limits(), Judgement.BAD, "takes 1.60 s (median of 20), the old version 1.00 s"),
        (_took(1.0), _took(1.6), Limits(slower=2), Judgement.GOOD, "0 of 20 failed"),
        (_took(1.0), _took(9.0, 9), Limits(), Judgement.GOOD, "0 of 9 failed"),
        (_took(1.0, 9), _took(9.0), Limits(), Judgement.GOOD, "0 of 20 failed"),
        (_took(0.01), _took(0.1), Limits(), Judgement.GOOD, "0 of 20 failed"),
    ],
)
def test_judgement(old: Figures, new: Figures, limits: Limits, judgement: Judgement, reason: str) -> None:
    verdict = judge(old, new, limits)
    assert (verdict.judgement, verdict.reason[: len(reason)]) == (judgement, reason)
