"""What counts as noticing: a failed test, and nothing else that may go wrong"""

import difflib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.sabotage import broken_trees, run, sabotages
from tests.sabotage.broken_trees import Verdict
from tests.sabotage.sabotages import Malformed, Sabotage, Stale

pytestmark = pytest.mark.slow

PRODUCT = "def double(number):\n    return 2 * number\n"

TESTS = """
import time, pytest, product

@pytest.fixture
def four():
    return product.double(2)

def test_doubles():
    assert product.double(3) == 6

@pytest.mark.parametrize("number", [0, 5])
def test_doubles_each(number):
    assert product.double(number) == number + number

def test_ends():
    while product.double(1) != 2:
        time.sleep(0.1)

class TestFixture:
    def test_is_four(self, four):
        assert four == 4
"""

FAILS, EACH, ENDS, FIXTURE = (
    f"tests/test_product.py::{name}"
    for name in ("test_doubles", "test_doubles_each", "test_ends", "TestFixture::test_is_four")
)


@pytest.fixture(autouse=True)
def _small_product(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A product of two lines stands in for ours."""

    @contextmanager
    def small_tree() -> Iterator[Path]:
        folder = tmp_path / "tree"
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "tests").mkdir(parents=True)
        (folder / "product.py").write_text(PRODUCT)
        (folder / "tests" / "test_product.py").write_text(TESTS)
        yield folder

    monkeypatch.setattr(broken_trees, "copy_of_the_tree", small_tree)
    monkeypatch.setattr(broken_trees, "TIME_OUT_SECONDS", 60)


def patch(
    folder: Path,
    *red: str,
    broken: str = "return 3 * number",
    before: str = PRODUCT,
    more: str = "",
) -> Sabotage:
    """A patch that lets the product do something else."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True),
        PRODUCT.replace("return 2 * number", broken).splitlines(keepends=True),
        "a/product.py",
        "b/product.py",
    )
    names = "".join(f"Red: {node}\n" for node in red)
    path = folder / "01-wrong-product.patch"
    path.write_text(f"It is\nwrong.\n\n{names}{more}\ndiff --git a/product.py b/product.py\n")
    with path.open("a") as file:
        file.writelines(lines)
    return sabotages.read(path)


def test_what_turns_every_named_test_red_is_caught(tmp_path: Path) -> None:
    sabotage = patch(tmp_path, FAILS, EACH, FIXTURE)

    verdict = broken_trees.judge(sabotage)

    assert verdict.is_caught, verdict.why
    assert (sabotage.what, sabotage.targets) == ("It is wrong.", ["product.py"])


@pytest.mark.parametrize(
    ("red", "broken", "why"),
    [
        ([FAILS], "return number + number", "exit code 0"),
        ([FAILS, ENDS], "return 2 * number if number < 3 else 0", ENDS),
        ([FAILS], "return 2 *", "exit code 4"),
        ([FIXTURE], "raise ValueError", "exit code 1"),
        (["tests/test_product.py::test_of_nothing"], "return 3 * number", "exit code 4"),
    ],
    ids=["no difference", "one test of two", "no syntax", "a failed fixture", "no such test"],
)
def test_anything_less_is_not(tmp_path: Path, red: list[str], broken: str, why: str) -> None:
    verdict = broken_trees.judge(patch(tmp_path, *red, broken=broken))

    assert not verdict.is_caught
    assert why in verdict.why


@pytest.mark.parametrize("expected", [True, False])
def test_a_run_that_never_ends_counts_only_where_it_is_expected(
    tmp_path: Path, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broken_trees, "TIME_OUT_SECONDS", 3)
    sabotage = patch(tmp_path, ENDS, more="Expect: hang\n" if expected else "")

    verdict = broken_trees.judge(sabotage)

    assert (verdict.is_caught, verdict.why) == (expected, "no end after 3 s")


@pytest.mark.parametrize("tool", ["git", "patch"])
def test_a_patch_that_no_longer_fits_is_named(
    tmp_path: Path, tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    monkeypatch.setattr(shutil, "which", lambda name: name if name == tool else None)
    sabotage = patch(tmp_path, FAILS, before=PRODUCT.replace("2", "two"))

    with broken_trees.copy_of_the_tree() as folder, pytest.raises(Stale, match="no longer applies"):
        sabotage.apply(folder)

    assert (folder / "product.py").read_text() == PRODUCT
    assert "01-wrong-product.patch no longer applies" in broken_trees.judge(sabotage).why


def test_tests_that_are_red_already_are_told_before_anything_is_broken(tmp_path: Path) -> None:
    gone = "tests/test_product.py::test_of_nothing"

    assert not broken_trees.not_green([patch(tmp_path, FAILS, EACH, ENDS, FIXTURE)])
    assert gone in broken_trees.not_green([patch(tmp_path, FAILS, gone)])


@pytest.mark.parametrize(
    "text",
    [
        "Red: a::b\n",
        "No full stop\n\nRed: a::b\n",
        "It is wrong.\n\n",
        "It is wrong.\n\nRad: a::b\n",
    ],
)
def test_a_patch_says_what_it_breaks_and_who_notices(tmp_path: Path, text: str) -> None:
    path = tmp_path / "01-x.patch"
    path.write_text(f"{text}\ndiff --git a/product.py b/product.py\n")

    with pytest.raises(Malformed, match=r"01-x\.patch"):
        sabotages.read(path)


def test_one_that_is_missed_makes_the_run_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    caught, missed = (Sabotage(Path(name), "It is wrong.", (FAILS,)) for name in ("1-a", "2-b"))
    monkeypatch.setattr(broken_trees, "judge", lambda one: Verdict(one, one is caught, "because"))

    assert run.report([caught], jobs=1) == 0
    assert run.report([caught, missed], jobs=2) == 1

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "caught  1-a: because"
    assert lines[1].startswith("caught 1 of 1 in ")
    assert lines[3] == "MISSED  2-b: because"
    assert lines[4].startswith("caught 1 of 2 in ")
