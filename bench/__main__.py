"""``python -m bench``: run the suites, print the table; ``--write`` puts it into the docs."""

import argparse
import datetime
import os
import platform
import sys
from pathlib import Path

from bench import server

DOCS = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


def main() -> int:
    """Measure; exit 0 also when an aim is missed: the table says so."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", default="", help="Suites by comma; all when empty.")
    parser.add_argument("--rounds", type=int, default=5, help="Rounds of each comparison.")
    parser.add_argument("--seconds", type=float, default=3, help="Of each variant in a round.")
    parser.add_argument("--write", action="store_true", help="Put the table into the docs.")
    arguments = parser.parse_args()
    with server.running():
        lines = _measure(arguments)
    table = "\n".join(lines)
    print(table)
    if arguments.write:
        before, _, rest = DOCS.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        DOCS.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")
    return 0


def _measure(arguments: argparse.Namespace) -> list[str]:
    from bench import suites

    suites.prepare()
    effort = suites.Effort(arguments.rounds, arguments.seconds)
    wanted = arguments.only.split(",") if arguments.only else list(suites.SUITES)
    lines = [
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}; {arguments.rounds} rounds of {arguments.seconds:g} s.",
        "",
        "| ratio | aim | measured | | rounds |",
        "|---|---|---|---|---|",
    ]
    for name in wanted:
        print(name, file=sys.stderr)
        for result in suites.SUITES[name](effort):
            mark = {True: "met", False: "missed", None: ""}[result.is_met]
            row = f"| {result.what} | {result.aim} | {result.measured} | {mark} | {result.note} |"
            print(row, file=sys.stderr)
            lines.append(row)
    return lines


if __name__ == "__main__":
    sys.exit(main())
