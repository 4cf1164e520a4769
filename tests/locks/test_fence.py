"""The SQL by which an agent refuses an older fence, as documented."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "howto" / "locks.md"


def test_an_older_fence_is_refused() -> None:
    [sql] = re.findall(r"```sql\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    create, insert = (statement for statement in sql.split(";") if statement.strip())
    database = sqlite3.connect(":memory:")
    database.execute(create)

    def passes(resource: str, fence: int) -> bool:
        return database.execute(insert, {"resource": resource, "fence": fence}).fetchone() is not None

    assert [passes("a", fence) for fence in (5, 5, 7, 6, 5, 8)] == [True, True, True, False, False, True]
    assert passes("b", 1)
    database.close()
