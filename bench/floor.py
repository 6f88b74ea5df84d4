"""The floor: what PostgreSQL itself needs for the least that a durable spend can be.

Check and lower one balance, a journal row, its four lines, and the right that was bought: one
function call in its own transaction, driven by pgbench. No lots, no rules, no events, no chain.
"""

import re
import subprocess
from pathlib import Path

from bench import data, server
from legato_payments.local import binaries, paths, servers

SCHEMA = f"""
CREATE SCHEMA floor;
CREATE TABLE floor.balance (user_id bigint PRIMARY KEY, coins bigint NOT NULL CHECK (coins >= 0));
CREATE TABLE floor.journal (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, kind text NOT NULL,
    recorded_at timestamptz NOT NULL);
CREATE TABLE floor.line (
    journal_id bigint NOT NULL, line integer NOT NULL, account bigint NOT NULL,
    amount bigint NOT NULL, PRIMARY KEY (journal_id, line));
CREATE TABLE floor.owned (
    user_id bigint NOT NULL, content_id bigint NOT NULL, journal_id bigint NOT NULL,
    PRIMARY KEY (user_id, content_id));
INSERT INTO floor.balance SELECT n, {data.COINS} FROM generate_series(1, {data.READERS}) n;

CREATE FUNCTION floor.spend(p_user bigint, p_content bigint, p_price bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    journal bigint;
BEGIN
    UPDATE floor.balance SET coins = coins - p_price WHERE user_id = p_user AND coins >= p_price;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    INSERT INTO floor.journal (kind, recorded_at) VALUES ('spend', now()) RETURNING id INTO journal;
    INSERT INTO floor.line (journal_id, line, account, amount)
    VALUES (journal, 1, p_user, p_price), (journal, 2, -1, -p_price),
           (journal, 3, -2, p_price * 6059), (journal, 4, -3, -p_price * 6059);
    INSERT INTO floor.owned (user_id, content_id, journal_id) VALUES (p_user, p_content, journal)
    ON CONFLICT DO NOTHING;
    RETURN journal;
END $$;
"""

SCRIPT = f"""\\set user_id random(1, {data.READERS})
\\set content_id random(1, {data.CHAPTERS})
SELECT floor.spend(:user_id, :content_id, {data.PRICE});
"""


def prepare() -> None:
    """Its tables, beside ours on the same server."""
    with server.superuser() as connection:
        connection.execute(SCHEMA)
    (paths.run_dir() / "floor.sql").write_text(SCRIPT)


def run(*, clients: int, seconds: float) -> float:
    """Spends per second of ``clients`` connections, statements prepared."""
    return pgbench(paths.run_dir() / "floor.sql", clients=clients, seconds=seconds)


def pgbench(script: Path, *, clients: int, seconds: float) -> float:
    """Transactions per second that pgbench reports."""
    command = [
        str(binaries.postgres_folder() / "pgbench"), "--host", str(paths.run_dir() / "pg"),
        "--username", servers.SUPERUSER, "--no-vacuum", "--protocol", "prepared",
        "--client", str(clients), "--jobs", str(clients), "--time", str(max(1, round(seconds))),
        "--file", str(script), servers.DATABASE,
    ]  # fmt: skip
    printed = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"tps = ([\d.]+) \(without initial", printed.stdout)
    assert found, printed.stdout + printed.stderr
    return float(found[1])
