"""Which versions understand each other."""

from __future__ import annotations

import pytest

from sagamesh.compatibility import Fit, fit


@pytest.mark.parametrize(
    ("serves", "wanted", "expected"),
    [
        ("1.4.0", "1.4.0", Fit.COMPATIBLE),
        ("1.4.1", "1.4.0", Fit.COMPATIBLE),
        ("1.10.0", "1.9.0", Fit.COMPATIBLE),
        ("1.4", "1.4.0", Fit.COMPATIBLE),
        ("v1.4.0", "1.4.0", Fit.COMPATIBLE),
        ("1.3.9", "1.4.0", Fit.OLDER),
        ("1.4.0", "1.4.1", Fit.OLDER),
        ("2.0.0-rc.1", "2.0.0", Fit.OLDER),
        ("2.0.0", "2.0.0-rc.1", Fit.COMPATIBLE),
        ("2.0.0", "1.4.0", Fit.FOREIGN),
        ("1.4.0", "2.0.0", Fit.FOREIGN),
        ("1.0.0", "0.9.0", Fit.FOREIGN),
        ("0.4.2", "0.4.0", Fit.COMPATIBLE),
        ("0.4.0", "0.4.2", Fit.OLDER),
        ("0.5.0", "0.4.2", Fit.FOREIGN),
        ("0.4.2", "0.5.0", Fit.FOREIGN),
        ("1.4.0", "1.4.0+build.7", Fit.COMPATIBLE),
        ("1.4.0+build.6", "1.4.0+build.7", Fit.COMPATIBLE),
        ("1!1.4.0", "1.4.0", Fit.FOREIGN),
        ("2.0.0", "", Fit.COMPATIBLE),
        ("2.0.0", "blue", Fit.COMPATIBLE),
        ("blue", "1.4.0", Fit.COMPATIBLE),
        ("", "1.4.0", Fit.COMPATIBLE),
    ],
)
def test_fit(serves: str, wanted: str, expected: Fit) -> None:
    assert fit(serves, wanted) is expected
