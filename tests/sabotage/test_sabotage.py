"""Every sabotage fits the product as it is, and of a few each day it is seen that a test notices"""

import re
from pathlib import Path

import pytest

from legato_payments.lib import clock
from tests.sabotage import broken_trees, sabotages

PATCHES = sorted(sabotages.PATCHES.glob("*.patch"))
SAMPLE = 3

each = pytest.mark.parametrize("path", PATCHES, ids=lambda path: path.stem)


@each
def test_still_applies_to_the_product_and_to_nothing_else(path: Path) -> None:
    sabotage = sabotages.read(path)

    sabotage.check()

    assert sabotage.targets
    assert not [target for target in sabotage.targets if target.startswith("tests/")]


@each
def test_names_tests_that_exist(path: Path) -> None:
    for node in sabotages.read(path).red:
        file, *_, test = node.partition("[")[0].split("::")
        text = (sabotages.ROOT / file).read_text()
        assert re.search(rf"^ *def {test}\(", text, re.MULTILINE), node


def test_numbers_have_no_gap_and_no_twin() -> None:
    assert [int(path.stem.partition("-")[0]) for path in PATCHES] == list(
        range(1, len(PATCHES) + 1)
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sample_is_noticed() -> None:
    quick = [sabotage for sabotage in sabotages.every() if not sabotage.is_slow]
    day = clock.now().date()
    chosen = [quick[(SAMPLE * day.toordinal() + at) % len(quick)] for at in range(SAMPLE)]
    print(f"The sample of {day}: {', '.join(sabotage.name for sabotage in chosen)}")

    assert not broken_trees.not_green(chosen)
    missed = [v for v in map(broken_trees.judge, chosen) if not v.is_caught]

    assert not missed, "\n".join(f"{v.sabotage.name}: {v.why}" for v in missed)
