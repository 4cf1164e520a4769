"""The sandbox gateway's books: intents, charges, refunds and the answers already given, in one SQLite file."""

from __future__ import annotations

import json
import secrets
import sqlite3
import string
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["Answer", "Books", "Intent", "Refund"]

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS intents (
    id TEXT PRIMARY KEY, amount INTEGER NOT NULL, currency TEXT NOT NULL, status TEXT NOT NULL, payment_method TEXT,
    metadata TEXT NOT NULL, description TEXT, problem TEXT, latest_charge TEXT, lands_at REAL, created REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS landing ON intents (lands_at) WHERE lands_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS charges (
    id TEXT PRIMARY KEY, intent_id TEXT NOT NULL REFERENCES intents, amount INTEGER NOT NULL, paid INTEGER NOT NULL,
    created REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS charges_of ON charges (intent_id);
CREATE TABLE IF NOT EXISTS refunds (
    id TEXT PRIMARY KEY, intent_id TEXT NOT NULL REFERENCES intents, amount INTEGER NOT NULL, metadata TEXT NOT NULL,
    created REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS refunds_of ON refunds (intent_id);
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, digest TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL, created REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS answers_by_age ON answers (created);
CREATE TABLE IF NOT EXISTS faults (subject TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT;
"""
_ALPHABET: Final = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Intent:
    """A payment intent as it stands in the books; `amount` in minor units, times in seconds since 1970."""

    id: str
    amount: int
    currency: str
    status: str
    payment_method: str | None
    metadata: dict[str, str]
    description: str | None
    problem: dict[str, Any] | None
    latest_charge: str | None
    lands_at: float | None
    created: float


@dataclass(frozen=True, slots=True)
class Refund:
    """Money given back; `amount` in minor units."""

    id: str
    intent_id: str
    amount: int
    metadata: dict[str, str]
    created: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What was or will be answered: an HTTP status and a JSON body."""

    status: int
    body: Any


class Books:
    """The books in a folder. What a transaction wrote survives kill -9; what it did not finish left no trace.

    For one thread: calls are short (no disk is waited for), so a server makes them between two awaits.

    - `keep_keys`: for how many seconds an answer is kept under its idempotency key.
    """

    def __init__(self, folder: Path, *, keep_keys: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._keep_keys = keep_keys
        self._sql = sqlite3.connect(folder / "gateway.db", isolation_level=None, timeout=20)
        self._sql.row_factory = sqlite3.Row
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            self._sql.execute(f"PRAGMA {pragma}")
        self._sql.executescript(_SCHEMA)

    def close(self) -> None:
        """Let go of the file."""
        self._sql.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what the block writes. Payments that are due land first."""
        self._sql.execute("BEGIN IMMEDIATE")
        try:
            self._land()
            yield
            self._sql.execute("COMMIT")
        except BaseException:
            if self._sql.in_transaction:  # a full disk ends a transaction by itself
                self._sql.execute("ROLLBACK")
            raise

    # Answers and faults

    def answer(self, key: str) -> tuple[str, Answer] | None:
        """The digest of the request that came with this idempotency key, and what it was answered."""
        row = self._one("SELECT * FROM answers WHERE key = ? AND created > ?", key, time.time() - self._keep_keys)
        return None if row is None else (row["digest"], Answer(row["status"], json.loads(row["body"])))

    def keep(self, key: str, digest: str, answer: Answer) -> None:
        """Keep an answer under its idempotency key, and drop those that are too old."""
        now = time.time()
        self._sql.execute("DELETE FROM answers WHERE created <= ?", (now - self._keep_keys,))
        values = (key, digest, answer.status, json.dumps(answer.body), now)
        self._sql.execute("INSERT INTO answers VALUES (?, ?, ?, ?, ?)", values)

    def count(self, subject: str) -> int:
        """How often this was counted, this time included."""
        counting = "INSERT INTO faults VALUES (?, 1) ON CONFLICT DO UPDATE SET count = count + 1 RETURNING count"
        return int(self._sql.execute(counting, (subject,)).fetchone()["count"])

    # Intents

    def add_intent(
        self,
        *,
        amount: int,
        currency: str,
        payment_method: str | None,
        metadata: dict[str, str],
        description: str | None,
    ) -> Intent:
        """A new intent that nobody has confirmed."""
        made = _new_id("pi")
        status = "requires_confirmation" if payment_method else "requires_payment_method"
        self._sql.execute(
            "INSERT INTO intents VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL, ?)",
            (made, amount, currency, status, payment_method, json.dumps(metadata), description, time.time()),
        )
        return self.known(made)

    def intent(self, intent_id: str) -> Intent | None:
        """The intent of this id, if there is one."""
        row = self._one("SELECT * FROM intents WHERE id = ?", intent_id)
        return None if row is None else _intent(row)

    def known(self, intent_id: str) -> Intent:
        """The intent of this id.

        Raises:
            KeyError: when there is none.
        """
        found = self.intent(intent_id)
        if found is None:
            raise KeyError(intent_id)
        return found

    def set_status(self, intent_id: str, status: str, *, lands_at: float | None = None) -> Intent:
        """Move an intent on; `lands_at` is when its charge lands by itself."""
        self._sql.execute("UPDATE intents SET status = ?, lands_at = ? WHERE id = ?", (status, lands_at, intent_id))
        return self.known(intent_id)

    def set_payment_method(self, intent_id: str, payment_method: str) -> Intent:
        """Give an intent another payment method."""
        self._sql.execute("UPDATE intents SET payment_method = ? WHERE id = ?", (payment_method, intent_id))
        return self.known(intent_id)

    def pay(self, intent_id: str) -> Intent:
        """Take the money of an intent."""
        charge = self._add_charge(intent_id, paid=True)
        self._sql.execute(
            "UPDATE intents SET status = 'succeeded', latest_charge = ?, problem = NULL, lands_at = NULL WHERE id = ?",
            (charge, intent_id),
        )
        return self.known(intent_id)

    def decline(self, intent_id: str, problem: Mapping[str, str]) -> Intent:
        """Write down that the payment method was declined; the intent needs another one."""
        charge = self._add_charge(intent_id, paid=False)
        self._sql.execute(
            "UPDATE intents SET status = 'requires_payment_method', payment_method = NULL, latest_charge = ?, "
            "problem = ? WHERE id = ?",
            (charge, json.dumps(problem), intent_id),
        )
        return self.known(intent_id)

    # Refunds

    def add_refund(self, intent_id: str, *, amount: int, metadata: dict[str, str]) -> Refund:
        """Give money back. Whether so much is left is the caller's question."""
        made = Refund(_new_id("re"), intent_id, amount, metadata, time.time())
        values = (made.id, made.intent_id, made.amount, json.dumps(made.metadata), made.created)
        self._sql.execute("INSERT INTO refunds VALUES (?, ?, ?, ?, ?)", values)
        return made

    def refund(self, refund_id: str) -> Refund | None:
        """The refund of this id, if there is one."""
        row = self._one("SELECT * FROM refunds WHERE id = ?", refund_id)
        return None if row is None else _refund(row)

    def refunds(self, intent_id: str | None) -> list[Refund]:
        """The refunds of an intent, or all of them, newest first."""
        where, values = ("", ()) if intent_id is None else ("WHERE intent_id = ?", (intent_id,))
        rows = self._sql.execute(f"SELECT * FROM refunds {where} ORDER BY rowid DESC", values)  # noqa: S608
        return [_refund(row) for row in rows]

    # The whole

    def payments(self) -> list[dict[str, Any]]:
        """Every intent, oldest first, with what was taken and given back by the single entries (minor units)."""
        rows = self._sql.execute(
            """
            SELECT i.*,
                (SELECT count(*) FROM charges c WHERE c.intent_id = i.id AND c.paid) AS charges,
                (SELECT coalesce(sum(c.amount), 0) FROM charges c WHERE c.intent_id = i.id AND c.paid) AS charged,
                (SELECT coalesce(sum(r.amount), 0) FROM refunds r WHERE r.intent_id = i.id) AS refunded
            FROM intents i ORDER BY i.rowid
            """
        )
        return [
            {
                "id": row["id"],
                "key": (metadata := json.loads(row["metadata"])).get("key", ""),
                "task_id": metadata.get("task_id", ""),
                "metadata": metadata,
                "amount": row["amount"],
                "currency": row["currency"],
                "payment_method": row["payment_method"],
                "state": row["status"],
                "charges": row["charges"],
                "amount_charged": row["charged"],
                "amount_refunded": row["refunded"],
                "created": row["created"],
            }
            for row in rows
        ]

    def _land(self) -> None:
        due = self._sql.execute("SELECT id FROM intents WHERE lands_at <= ?", (time.time(),)).fetchall()
        for row in due:
            self.pay(row["id"])

    def _add_charge(self, intent_id: str, *, paid: bool) -> str:
        made = _new_id("ch")
        values = (made, intent_id, self.known(intent_id).amount, int(paid), time.time())
        self._sql.execute("INSERT INTO charges VALUES (?, ?, ?, ?, ?)", values)
        return made

    def _one(self, statement: str, *values: object) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._sql.execute(statement, values).fetchone()
        return row


def _intent(row: sqlite3.Row) -> Intent:
    values = dict(row)
    values["metadata"] = json.loads(values["metadata"])
    values["problem"] = values["problem"] and json.loads(values["problem"])
    return Intent(**values)


def _refund(row: sqlite3.Row) -> Refund:
    values = dict(row)
    values["metadata"] = json.loads(values["metadata"])
    return Refund(**values)


def _new_id(prefix: str) -> str:
    return f"{prefix}_{''.join(secrets.choice(_ALPHABET) for _ in range(24))}"
