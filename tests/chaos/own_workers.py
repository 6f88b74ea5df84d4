"""A Valkey and a worker of a test's own: real processes, either of which may be killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import redis
from celery import Celery
from django.conf import settings

from legato_payments.local import paths, processes, servers

QUEUES = ("default", "webhooks")


class OwnValkey:
    """A broker that keeps nothing on the disk: whatever it holds is lost with it."""

    def __init__(self, folder: Path) -> None:
        self.server = servers.Valkey(folder, folder, durable=False)
        self.url = f"unix://{self.server.socket}?db=0"

    def kill(self) -> None:
        """Kill it with all it holds, and start an empty one in its place."""
        assert self.server.process
        os.kill(self.server.process.pid, signal.SIGKILL)
        processes.collect(self.server.process)
        self.server.start()

    def queued(self) -> int:
        """Jobs that wait for a worker."""
        prefix = settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"]
        with redis.Redis.from_url(self.url) as client:
            return sum(int(client.llen(f"{prefix}{queue}")) for queue in QUEUES)

    def sender(self) -> Celery:
        """Sends jobs here, as the application sends them to its own broker."""
        sender = Celery("legato_payments", set_as_current=False)
        sender.config_from_object("django.conf:settings", namespace="CELERY")
        sender.conf.update(broker_url=paths.celery_url(self.url))
        return sender


class OwnWorker:
    """A Celery worker on this test's database, started as ``make up`` starts one."""

    def __init__(self, folder: Path, *, redis_url: str, public_url: str) -> None:
        self._log = folder / "worker.log"
        self._env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "legato_payments.settings.test",
            "REDIS_URL": redis_url,
            "PUBLIC_URL": public_url,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and do not wait."""
        celery = [sys.executable, "-m", "celery", "--quiet", "--app", "legato_payments", "worker"]
        options = ["--queues", ",".join(QUEUES), "--concurrency", "2", "--loglevel", "INFO"]
        with self._log.open("wb") as log:
            self._process = processes.spawn(
                [*celery, *options, "--without-mingle", "--without-gossip"],
                last_signal=signal.SIGKILL,
                output=log,
                folder=paths.ROOT,
                env=self._env,
            )

    def pause(self) -> None:
        """Let it do nothing for a while."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on where it was."""
        self._signal(signal.SIGCONT)

    @property
    def is_alive(self) -> bool:
        """Whether it runs, whatever happened to its broker."""
        return self._process is not None and not processes.has_ended(self._process)

    @property
    def output(self) -> str:
        """The end of what it printed."""
        return self._log.read_text(errors="replace")[-4_000:]

    def end(self) -> None:
        """Leave nobody behind."""
        if self._process:
            processes.collect(self._process)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process
        # It is the first of a session of its own, and so of the group of its children.
        os.killpg(self._process.pid, number)
