"""revenue.services.splits: which rate applies, and who may set which"""

from datetime import datetime, timedelta
from typing import Any

import pytest

from access.services import content, tips
from payments import audit
from payments.enums import Stream
from payments.models import AuditEntry
from payments.services import policies
from revenue.models import Earning, SplitRule, Writer
from revenue.services import splits, writers
from tests import factories
from tests.factories import NOW, READER, WRITER
from tests.ledger import books

pytestmark = pytest.mark.django_db

TOMORROW = NOW + timedelta(days=1)


def change(rate_bps: int, **facts: Any) -> SplitRule:
    """A new rate for the content stream from now on."""
    given: dict[str, Any] = {
        "stream": Stream.CONTENT,
        "valid_from": NOW,
        "actor": "staff:7",
        "reason": "",
        "now": NOW,
    }
    return splits.change(rate_bps=rate_bps, **{**given, **facts})


def rate(writer: Writer, *, stream: Stream = Stream.CONTENT, on: datetime = NOW) -> int:
    """The writer's rate at a time."""
    return splits.rules_for([writer], stream=stream, on=on)[writer.pk].rate_bps


@pytest.fixture
def writer() -> Writer:
    """A writer of the standard level."""
    writers.register(writer_ids=[WRITER], now=NOW)
    return Writer.objects.get()


@pytest.fixture
def partner() -> Writer:
    """A writer of the partner level."""
    return Writer.objects.create(writer_id="partner", first_seen_at=NOW, level=Writer.Level.PARTNER)


def test_starts_with_the_agreed_rates(writer: Writer) -> None:
    rates = {stream: rate(writer, stream=stream) for stream in Stream}

    assert rates == {
        Stream.CONTENT: 6_500,
        Stream.TIP: 7_000,
        Stream.SUBSCRIPTION: 6_500,
        Stream.LICENSING: 8_000,
        Stream.ADVERTISING: 6_500,
    }


def test_the_most_specific_rule_wins_however_old(writer: Writer, partner: Writer) -> None:
    change(6_900, writer_id=partner.pk)
    change(6_700, level=Writer.Level.PARTNER, valid_from=TOMORROW)
    change(6_100, valid_from=TOMORROW + timedelta(days=1))
    other = Writer.objects.create(writer_id="p2", first_seen_at=NOW, level=Writer.Level.PARTNER)

    rules = splits.rules_for(
        [writer, partner, other], stream=Stream.CONTENT, on=TOMORROW + timedelta(days=2)
    )

    found = {writer_id: rule.rate_bps for writer_id, rule in rules.items()}
    assert found == {WRITER: 6_100, "partner": 6_900, "p2": 6_700}
    assert rate(partner, stream=Stream.TIP, on=TOMORROW) == 7_000


def test_a_rule_begins_at_its_moment_and_the_newest_of_a_target_counts(writer: Writer) -> None:
    change(6_600, valid_from=TOMORROW)
    change(6_700, valid_from=TOMORROW)

    assert rate(writer, on=TOMORROW - timedelta(microseconds=1)) == 6_500
    assert rate(writer, on=TOMORROW) == 6_700


@pytest.mark.parametrize(
    ("facts", "refusal"),
    [
        ({"rate_bps": 5_999}, splits.RateOutsideBand),
        ({"rate_bps": 7_001}, splits.RateOutsideBand),
        ({"rate_bps": 5_999, "stream": Stream.TIP}, splits.RateOutsideBand),
        ({"rate_bps": 8_501, "stream": Stream.LICENSING, "reason": "x"}, splits.RateOutsideBand),
        ({"rate_bps": 7_001, "allow_override": True}, audit.ReasonMissing),
        ({"rate_bps": 6_500, "valid_from": NOW - timedelta(seconds=1)}, policies.StartsInThePast),
    ],
)
def test_refuses(facts: dict[str, Any], refusal: type[Exception]) -> None:
    before = books.fingerprint()

    with pytest.raises(refusal):
        change(**facts)

    assert books.fingerprint() == before


@pytest.mark.parametrize(
    ("stream", "rate_bps"),
    [
        (Stream.CONTENT, 6_000),
        (Stream.CONTENT, 7_000),
        (Stream.TIP, 10_000),
        (Stream.LICENSING, 8_500),
        (Stream.ADVERTISING, 6_000),
    ],
)
def test_the_edges_of_a_band_are_inside(stream: Stream, rate_bps: int) -> None:
    assert not change(rate_bps, stream=stream).is_override


def test_an_override_is_marked_and_leaves_a_record(writer: Writer) -> None:
    rule = change(9_000, writer_id=WRITER, allow_override=True, reason="launch contract")

    assert rule.is_override
    record = AuditEntry.objects.get()
    assert (record.actor, record.reason) == ("staff:7", "launch contract")
    assert record.action == "revenue.split_rule.changed"
    assert record.after is not None
    assert (record.after["rate_bps"], record.after["writer_id"]) == (9_000, WRITER)


def test_what_was_earned_keeps_the_rule_it_was_earned_by() -> None:
    factories.buy_coins(READER, "Ultimate Pack")
    factories.put_content("chapter-4", price=10)
    default = SplitRule.objects.get(stream=Stream.CONTENT)
    content.buy(user_id=READER, content_id="chapter-4", now=NOW, actor="user:reader-1")

    own = change(7_000, writer_id=WRITER, valid_from=TOMORROW)
    factories.put_content("chapter-5", price=10)
    content.buy(user_id=READER, content_id="chapter-5", now=TOMORROW, actor="user:reader-1")
    tips.send(sender_id=READER, recipient_id=WRITER, coins=10, now=TOMORROW, actor="user:reader-1")

    earned = Earning.objects.order_by("id").values_list("rule", "rate_bps", "amount_micros")
    tip_rule = SplitRule.objects.get(stream=Stream.TIP)
    # Coins 0-10, 10-20 and 20-30 of 6,600 worth 39.99 release 60,590, 60,591 and 60,591 micros.
    assert list(earned) == [
        (default.pk, 6_500, 39_383),
        (own.pk, 7_000, 42_413),
        (tip_rule.pk, 7_000, 42_413),
    ]


def test_authors_with_different_rates_share_one_value() -> None:
    factories.buy_coins(READER, "Ultimate Pack")
    factories.put_content("chapter-4", price=10, shares={"a": 5_000, "b": 5_000})
    change(7_000, writer_id="b")

    content.buy(user_id=READER, content_id="chapter-4", now=NOW, actor="user:reader-1")

    earned = dict(Earning.objects.values_list("writer", "amount_micros"))
    # Half of 60,590 at 65 % and half at 70 %: 19,691.75 and 21,206.5, together 40,898.25.
    assert earned == {"a": 19_692, "b": 21_206}
    books.assert_sound()
