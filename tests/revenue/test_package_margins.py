"""manage.py package_margins: which packages pay for themselves, and at which rate"""

import csv
import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from payments.enums import Stream
from payments.services import packages
from revenue.queries import package_margins
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db


def run(form: str) -> str:
    out = StringIO()
    call_command("package_margins", "--format", form, stdout=out)
    return out.getvalue()


def rows(**wanted: Any) -> list[dict[str, Any]]:
    """The lines of the JSON form that have these members."""
    found: list[dict[str, Any]] = json.loads(run("json"))
    return [row for row in found if wanted.items() <= row.items()]


def test_the_smallest_package_loses_money_at_the_highest_rate() -> None:
    # 0.99 less 33 cents of fee and 69.3 cents for the writers.
    (row,) = rows(package="Starter Pack", currency="USD", stream="content", writers_bps=7_000)

    assert row == {
        "package": "Starter Pack",
        "currency": "USD",
        "price": "0.99",
        "gateway_fee": "0.33",
        "stream": "content",
        "writers_bps": 7_000,
        "left": "-0.033",
        "is_loss": True,
    }


def test_the_starter_pack_earns_at_the_lower_rates() -> None:
    found = rows(package="Starter Pack", currency="USD", stream="content")

    assert [(row["writers_bps"], row["left"], row["is_loss"]) for row in found] == [
        (6_000, "0.066", False),
        (6_500, "0.0165", False),
        (7_000, "-0.033", True),
    ]


def test_tips_count_at_their_own_rate() -> None:
    (tip,) = rows(package="Starter Pack", currency="USD", stream="tip")

    assert (tip["writers_bps"], tip["left"]) == (7_000, "-0.033")


def test_every_package_on_sale_stands_there_in_every_currency() -> None:
    packages.change(
        package_id=factories.package("Reader Pack").pk,
        expected_version=1,
        is_active=False,
        actor="staff:1",
        now=NOW,
    )

    found = package_margins.of_packages(on=NOW)

    assert len(found) == 4 * 3 * 4
    assert "Reader Pack" not in {margin.package.name for margin in found}
    assert {margin.stream for margin in found} == {Stream.CONTENT, Stream.TIP}


def test_the_parts_sum_to_the_price() -> None:
    for margin in package_margins.of_packages(on=NOW):
        writers = margin.price.micros * margin.writers_bps // 10_000
        assert margin.left.micros + margin.fee.micros + writers == margin.price.micros


def test_the_table_warns_of_a_loss() -> None:
    lines = run("table").splitlines()

    losses = [line for line in lines if line.endswith("LOSS")]
    assert lines[0].split()[0] == "package"
    assert any("Starter Pack" in line and "-0.033 USD" in line for line in losses)
    assert not any("Ultimate Pack" in line for line in losses)


def test_the_csv_says_the_same_as_the_json() -> None:
    read = list(csv.DictReader(run("csv").splitlines()))

    assert [row["left"] for row in read] == [row["left"] for row in rows()]
    assert {row["is_loss"] for row in read} == {"true", "false"}
