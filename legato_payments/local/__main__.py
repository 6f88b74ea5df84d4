"""``python -m legato_payments.local``: the whole service on this machine.

Without arguments it is ``make up``. ``run -- COMMAND …`` runs one command beside the embedded
servers; when the stack is up, beside those.
"""

import argparse
import os
import sys

from legato_payments.local import banner, paths, runner
from legato_payments.local.runner import Plan
from legato_payments.local.supervisor import Program

QUEUES = "default,webhooks,payouts,reports"


def plan(*, port: int) -> Plan:
    """The stack of ``make up``: migrated, seeded, then web, worker and beat."""
    python = sys.executable
    url = f"http://127.0.0.1:{port}"
    env = _unless_set(
        DJANGO_SETTINGS_MODULE="legato_payments.settings.local",
        PUBLIC_URL=url,
        RETURN_URL_ORIGINS=f"{url},http://localhost:{port}",
        PROMETHEUS_MULTIPROC_DIR=str(paths.metrics_dir()),
    )
    celery = [python, "-m", "celery", "--quiet", "--app", "legato_payments"]
    return Plan(
        port=port,
        preparations=[
            Program(
                name="migrate",
                command=[python, "manage.py", "migrate", "--no-input", "-v", "0"],
                env=env,
            ),
            Program(name="seed", command=[python, "manage.py", "seed"], env=env),
        ],
        services=[
            Program(
                name="web",
                command=[
                    python, "-m", "gunicorn", "legato_payments.wsgi:application",
                    "--bind", f"127.0.0.1:{port}",
                    "--workers", "2", "--worker-class", "gthread", "--threads", "4",
                    "--graceful-timeout", "10", "--no-control-socket",
                ],
                env={**env, **_unless_set(DB_POOL_MAX_SIZE="8")},
            ),
            Program(
                name="worker",
                command=[
                    *celery, "worker", "--queues", QUEUES, "--concurrency", "2",
                    "--loglevel", "INFO", "--without-mingle", "--without-gossip",
                ],
                # Celery's own SIGTERM waits for a task however long it takes.
                env={**env, "REMAP_SIGTERM": "SIGQUIT"},
            ),
            # No pid file: the lock of the runner already sees to there being one beat, and a pid
            # file that outlives a kill would keep the next beat from starting.
            Program(
                name="beat",
                command=[*celery, "beat", "--loglevel", "INFO", "--pidfile="],
                env=env,
            ),
        ],
        welcome=banner.welcome(url=url, admin_path=os.environ.get("ADMIN_PATH", "admin/")),
    )  # fmt: skip


def _unless_set(**defaults: str) -> dict[str, str]:
    return {name: os.environ.get(name, default) for name, default in defaults.items()}


def main() -> int:
    """Read the command line; run."""
    parser = argparse.ArgumentParser(prog="python -m legato_payments.local", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("up", help="everything, until Ctrl-C (the default)")
    run = commands.add_parser("run", help="one command beside the embedded servers")
    run.add_argument("argv", nargs="+", metavar="COMMAND")
    arguments = parser.parse_args()
    if arguments.command == "run":
        return runner.run(arguments.argv)
    return runner.up(plan(port=_port(parser)))


def _port(parser: argparse.ArgumentParser) -> int:
    given = os.environ.get("PORT", "8005")
    if not given.isdecimal() or not 0 < int(given) < 65536:
        parser.error(f"PORT must be a number from 1 to 65535, not {given!r}")
    return int(given)


if __name__ == "__main__":
    sys.exit(main())
