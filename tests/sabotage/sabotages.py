"""Sabotages: patches that break the product, each with the tests that must turn red.

A patch is a unified diff against the product with a preamble::

    The wallet is read without its lock: two tips at once both find the day's limit unused.

    Red: tests/concurrency/test_crossing.py::test_tips_of_one_size_reach_the_daily_limit_exactly

One ``Red:`` line for each test that has to notice, a node id as pytest writes it. ``Slow: yes``
keeps a sabotage out of the sample of ``test_sabotage.py``; ``Expect: hang`` says that the tests
notice by never ending.
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PATCHES = Path(__file__).resolve().parent / "patches"

_FIELD = re.compile(r"(Red|Slow|Expect): (.+)")


class Malformed(Exception):
    """A patch without a proper preamble; the message names the patch."""


class Stale(Exception):
    """The patch does not apply any more: the code it breaks was changed."""


@dataclass(frozen=True)
class Sabotage:
    """One patch.

    Args:
        what: What it breaks, in one sentence.
        red: The node ids that must each have a failed test.
    """

    path: Path
    what: str
    red: tuple[str, ...]
    is_slow: bool = False
    hangs: bool = False

    @property
    def name(self) -> str:
        """``07-what-it-breaks``."""
        return self.path.stem

    @property
    def targets(self) -> list[str]:
        """The files it changes."""
        return re.findall(r"^\+\+\+ b/(.+)$", self.path.read_text(), re.MULTILINE)

    def check(self, folder: Path = ROOT) -> None:
        """Pass when it could be applied to the tree in ``folder``; nothing changes.

        Raises:
            Stale: It could not.
        """
        self._run(folder, git=["--check"], patch=["--dry-run"])

    def apply(self, folder: Path) -> None:
        """Break the tree in ``folder``.

        Raises:
            Stale: The patch does not fit; nothing changed.
        """
        self.check(folder)
        self._run(folder, git=[], patch=[])

    def _run(self, folder: Path, *, git: list[str], patch: list[str]) -> None:
        if shutil.which("git"):
            command = ["git", "apply", *git, str(self.path)]
        else:
            command = ["patch", "-p1", "--force", "--fuzz=0", *patch, "-i", str(self.path)]
        # An unpacked tree may lie inside somebody's repository: git would look for its files there.
        env = {**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)}
        done = subprocess.run(
            command, cwd=folder, env=env, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise Stale(f"{self.path.name} no longer applies: {done.stderr or done.stdout}".strip())


def read(path: Path) -> Sabotage:
    """One patch.

    Raises:
        Malformed: It does not say what it breaks, or which tests turn red.
    """
    preamble = path.read_text().partition("diff --git ")[0]
    first, _, rest = preamble.strip().partition("\n\n")
    fields = [_FIELD.fullmatch(line) for line in rest.splitlines()]
    if not first.endswith(".") or not fields or None in fields:
        raise Malformed(f"{path.name}: a sentence, an empty line, and Red, Slow or Expect lines")
    found = [(field[1], field[2]) for field in fields if field]
    red = tuple(value for name, value in found if name == "Red")
    if not red:
        raise Malformed(f"{path.name} names no test")
    return Sabotage(
        path=path,
        what=" ".join(first.split()),
        red=red,
        is_slow=("Slow", "yes") in found,
        hangs=("Expect", "hang") in found,
    )


def every() -> list[Sabotage]:
    """All of them, by number."""
    return [read(path) for path in sorted(PATCHES.glob("*.patch"))]
