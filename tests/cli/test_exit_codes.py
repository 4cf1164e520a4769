"""A client process ends with the code that it means, every time: the SDK's threads may abort an interpreter at exit.

SAGAMESH_EXIT_RUNS says how many runs there are; the promise is about 200.
"""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.cli.shop import CommandLine, order_json

RUNS = int(os.environ.get("SAGAMESH_EXIT_RUNS", "40"))
AT_ONCE = 2


def test_every_exit_code_is_right(sagamesh: CommandLine, alone: CommandLine) -> None:
    (sagamesh.folder / "order.json").write_text(order_json(), encoding="utf-8")
    cases = [
        (0, sagamesh, ("list", "--json")),
        (2, sagamesh, ("show", "never-was")),
        (0, sagamesh, ("list", "--needs-operator")),
        (3, alone, ("list",)),
    ]

    def run(number: int) -> tuple[int, int]:
        expected, line, arguments = cases[number % len(cases)]
        return expected, line(*arguments).code

    with ThreadPoolExecutor(AT_ONCE) as pool:
        codes = Counter(pool.map(run, range(RUNS)))
    assert {pair: count for pair, count in codes.items() if pair[0] != pair[1]} == {}
    assert sum(codes.values()) == RUNS
