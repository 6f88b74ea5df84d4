"""What a peer knows, in one SQLite file."""

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

type Json = dict[str, Any]

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (kind, id)
);
CREATE INDEX IF NOT EXISTS objects_reference ON objects (kind, json_extract(body, '$.reference'));
CREATE INDEX IF NOT EXISTS objects_status ON objects (kind, json_extract(body, '$.status'));
CREATE INDEX IF NOT EXISTS objects_state ON objects (kind, json_extract(body, '$.state'));
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, body TEXT NOT NULL);
"""


class Store:
    """Objects by kind and id, each a JSON object, in the order they were made.

    Names that begin with ``_`` are the peer's own and never shown to a caller. One lock serves
    every thread: a request is executed alone, from its first read to its commit.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        # What was answered survives the loss of power, let alone of the process.
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing, and nobody else meanwhile. May be nested."""
        with self._lock:
            self._depth += 1
            try:
                if self._depth > 1:
                    yield
                    return
                self._database.execute("BEGIN IMMEDIATE")
                try:
                    yield
                except BaseException:
                    self._database.execute("ROLLBACK")
                    raise
                self._database.execute("COMMIT")
            finally:
                self._depth -= 1

    def put(self, kind: str, body: Json) -> Json:
        """Keep an object as it is now, under its ``id``."""
        with self._lock:
            self._database.execute(
                "INSERT INTO objects (kind, id, body) VALUES (?, ?, ?)"
                " ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
                (kind, str(body["id"]), json.dumps(body)),
            )
        return body

    def get(self, kind: str, object_id: str | int) -> Json | None:
        """One object, or ``None``."""
        rows = self._rows("kind = ? AND id = ?", (kind, str(object_id)))
        return rows[0] if rows else None

    def find(self, kind: str, at_most: tuple[str, int] | None = None, **equals: Any) -> list[Json]:
        """The objects whose members are so, oldest first.

        Args:
            at_most: A member and the largest value it may have.
        """
        where = ["kind = ?"]
        values: list[Any] = [kind]
        if at_most is not None:
            where.append(f"json_extract(body, '$.{at_most[0]}') <= ?")
            values.append(at_most[1])
        for name, value in equals.items():
            if value is None:
                where.append(f"json_extract(body, '$.{name}') IS NULL")
            else:
                where.append(f"json_extract(body, '$.{name}') = ?")
                values.append(value)
        return self._rows(" AND ".join(where), values)

    def mentioning(self, kind: str, text: str) -> list[Json]:
        """The objects in which a text stands as a value, or as a name."""
        return self._rows("kind = ? AND instr(body, ?) > 0", (kind, json.dumps(text)))

    def first(self, kind: str, **equals: Any) -> Json | None:
        """The oldest object of which that is true, or ``None``."""
        found = self.find(kind, **equals)
        return found[0] if found else None

    def delete(self, kind: str) -> None:
        """Forget all objects of a kind."""
        with self._lock:
            self._database.execute("DELETE FROM objects WHERE kind = ?", (kind,))

    def clear(self) -> None:
        """Forget everything."""
        with self.transaction():
            self._database.execute("DELETE FROM objects")
            self._database.execute("DELETE FROM settings")

    def number(self, start: int) -> int:
        """The next number, for gateways that count their objects."""
        last = int(self.setting("last_number", start))
        self.set_setting("last_number", last + 1)
        return last + 1

    def setting(self, name: str, default: Any = None) -> Any:
        """A value of the peer itself."""
        with self._lock:
            row = self._database.execute(
                "SELECT body FROM settings WHERE name = ?", (name,)
            ).fetchone()
        return json.loads(row[0]) if row else default

    def set_setting(self, name: str, value: Any) -> None:
        """Change a value of the peer itself."""
        with self._lock:
            self._database.execute(
                "INSERT INTO settings VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET body = excluded.body",
                (name, json.dumps(value)),
            )

    def settings(self) -> Mapping[str, Any]:
        """All values of the peer itself."""
        with self._lock:
            rows = self._database.execute("SELECT name, body FROM settings").fetchall()
        return {name: json.loads(body) for name, body in rows}

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._database.close()

    def _rows(self, where: str, values: tuple[Any, ...] | list[Any]) -> list[Json]:
        with self._lock:
            rows = self._database.execute(
                f"SELECT seq, body FROM objects WHERE {where} ORDER BY seq",
                values,
            ).fetchall()
        return [{**json.loads(body), "_seq": seq} for seq, body in rows]
