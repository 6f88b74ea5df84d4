"""A stack with real servers and cheap services, run by the same runner as ``make up``.

Started as its own process by the tests: ``python -m tests.local.small_stack``.
"""

import os
import sys

from legato_payments.local import paths, runner
from legato_payments.local.supervisor import Program

SLEEP = "import time; time.sleep(3600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"
WELCOME = "Ready, says the small stack."


def plan(*, port: int, worker: str) -> runner.Plan:
    folder = paths.state_dir()
    serve = ["-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder)]
    return runner.Plan(
        port=port,
        folder=folder,
        preparations=[Program(name="prepare", command=[sys.executable, "-c", "print('prepared')"])],
        services=[
            Program(name="web", command=[sys.executable, *serve]),
            Program(name="worker", command=[sys.executable, "-c", worker]),
        ],
        health_path="/",
        welcome=WELCOME,
    )


if __name__ == "__main__":
    worker = STUBBORN if "--stubborn" in sys.argv else SLEEP
    sys.exit(runner.up(plan(port=int(os.environ["PORT"]), worker=worker)))
