"""currency_rates: a history behind guards, and which rate is in force (rules.md, rule 28)"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured

from payments import tasks
from payments.gateways.rates.base import Pair, Quote, RateSourceUnreadable
from payments.gateways.rates.file import FileRates
from payments.gateways.rates.fixed import FixedRates
from payments.gateways.rates.registry import SOURCES, rate_provider
from payments.models import CurrencyRate, Policy
from payments.services import currency_rates, policies
from tests.factories import NOW
from tests.payments import books_of

TODAY = NOW.date()
PAIRS = [("USD", "CAD"), ("USD", "NGN")]

MONDAY = date(2026, 11, 2)
THURSDAY = date(2026, 11, 5)
FRIDAY = date(2026, 11, 6)
SATURDAY = date(2026, 11, 7)


def rate(
    figure: str = "1.40", *, quote: str = "CAD", as_of: date = TODAY, source: str = "manual"
) -> Quote:
    return Quote("USD", quote, Decimal(figure), as_of, source)


def record(quote: Quote, **changes: Any) -> CurrencyRate | None:
    return currency_rates.record(**{"quote": quote, "actor": "staff:1", "now": NOW, **changes})


@pytest.mark.django_db
class TestRecord:
    def test_the_newest_is_in_force_and_the_history_stays(self) -> None:
        record(rate("1.40", as_of=TODAY - timedelta(days=1)))
        record(rate("1.41"))
        record(rate("1.42"))

        assert currency_rates.current(quote="CAD", now=NOW).rate == Decimal("1.42")
        rows = CurrencyRate.objects.order_by("id").values_list("rate", flat=True)
        assert [f"{row:.2f}" for row in rows] == ["1.40", "1.41", "1.42"]

    def test_keeps_who_when_and_why(self) -> None:
        row = record(rate("1.40", source="manual"), reason="source was down")

        assert row is not None
        assert (row.created_by, row.fetched_at, row.reason) == ("staff:1", NOW, "source was down")
        [entry] = books_of.audit("payments.currency_rate.recorded")
        assert (entry.object_id, entry.before) == ("USD/CAD", None)
        assert entry.after == {"rate": "1.4", "as_of": "2026-11-02", "source": "manual"}

    def test_the_audit_log_says_what_it_was_before(self) -> None:
        record(rate("1.40"))
        record(rate("1.41"))

        assert books_of.audit("payments.currency_rate.recorded")[-1].before == {"rate": "1.4"}

    @pytest.mark.parametrize("again", ["1.40", "1.4", "1.4000000000000001"])
    def test_the_same_again_is_no_news(self, again: str) -> None:
        record(rate("1.40"))

        with books_of.nothing_changed():
            assert record(rate(again), now=NOW + timedelta(hours=6)) is None

    def test_the_same_figure_for_another_day_is(self) -> None:
        record(rate("1.40", as_of=TODAY - timedelta(days=1)))

        assert record(rate("1.40")) is not None

    @pytest.mark.parametrize(
        ("refused", "reason"),
        [
            (rate("0"), "must be above zero"),
            (rate("-1.4"), "must be above zero"),
            (rate("0.0000000000001"), "must be above zero"),
            (rate("1e12"), "beyond all reason"),
            (rate("1e40"), "beyond all reason"),
            (rate(as_of=TODAY + timedelta(days=1)), "2026-11-03 lies in the future"),
            (rate(as_of=TODAY - timedelta(days=1)), "2026-11-01 is before the newest rate"),
            (rate("1.681"), "20.1 % away from 1.4; the guard is at 20.0 %"),
            (rate("1.119"), "20.1 % away from 1.4; the guard is at 20.0 %"),
            (rate("14"), "900.0 % away"),
        ],
    )
    def test_refuses_what_looks_wrong(self, refused: Quote, reason: str) -> None:
        record(rate("1.40"))

        with (
            books_of.nothing_changed(),
            pytest.raises(currency_rates.RateRefused, match=reason),
        ):
            record(refused)

    @pytest.mark.parametrize("figure", ["1.68", "1.12"])
    def test_a_jump_up_to_the_guard_is_taken(self, figure: str) -> None:
        record(rate("1.40"))

        assert record(rate(figure)) is not None

    def test_a_person_may_confirm_a_jump(self) -> None:
        record(rate("1.40"))

        row = record(rate("2.80"), allow_jump=True, reason="devaluation")

        assert row is not None
        assert currency_rates.current(quote="CAD", now=NOW) == row

    def test_finance_sets_the_guard(self) -> None:
        record(rate("1.40"))
        policies.change(
            name=Policy.Name.RATE_MAX_JUMP_BPS,
            value=100,
            valid_from=NOW,
            actor="staff:1",
            reason="calmer",
            now=NOW,
        )

        with pytest.raises(currency_rates.RateRefused, match=r"the guard is at 1\.0 %"):
            record(rate("1.42"))

    def test_the_first_rate_has_nothing_to_jump_from(self) -> None:
        assert record(rate("1371.8079", quote="NGN")) is not None


@pytest.mark.django_db
class TestAge:
    @pytest.mark.parametrize(
        ("source", "as_of", "until"),
        [
            # A source of every day: its next rate is due the day after, and a day late at most.
            ("fixed", MONDAY, datetime(2026, 11, 5, tzinfo=UTC)),
            ("fixed", FRIDAY, datetime(2026, 11, 9, tzinfo=UTC)),
            ("fixed", SATURDAY, datetime(2026, 11, 10, tzinfo=UTC)),
            # Central banks, and who copies them: nothing is due before Monday.
            ("file", FRIDAY, datetime(2026, 11, 11, tzinfo=UTC)),
            ("manual", SATURDAY, datetime(2026, 11, 11, tzinfo=UTC)),
            ("cbn", MONDAY, datetime(2026, 11, 5, tzinfo=UTC)),
            ("boc", THURSDAY, datetime(2026, 11, 8, tzinfo=UTC)),
            ("ecb", FRIDAY, datetime(2026, 11, 11, tzinfo=UTC)),
            ("frankfurter", SATURDAY, datetime(2026, 11, 11, tzinfo=UTC)),
        ],
    )
    def test_a_rate_lasts_a_day_past_its_sources_next_one(
        self, source: str, as_of: date, until: datetime
    ) -> None:
        fetched = datetime.combine(as_of, NOW.time(), UTC)
        record(rate(as_of=as_of, source=source), now=fetched)

        assert currency_rates.current(quote="CAD", now=until).source == source
        with pytest.raises(currency_rates.RateUnavailable):
            currency_rates.current(quote="CAD", now=until + timedelta(microseconds=1))

    @pytest.mark.parametrize("source", ["fixed", "file", "manual", "cbn", "ecb"])
    def test_no_rate_lasts_longer_than_five_days(self, source: str) -> None:
        for number in range(14):
            as_of = MONDAY + timedelta(days=number)
            until = currency_rates.usable_until(source=source, as_of=as_of)
            assert until - datetime.combine(as_of, NOW.time().min, UTC) <= timedelta(days=5)

    def test_there_may_be_no_rate_at_all(self) -> None:
        with pytest.raises(currency_rates.RateUnavailable) as refusal:
            currency_rates.current(quote="CAD", now=NOW)

        assert refusal.value.retry_after == 3600
        assert currency_rates.newest(quote="CAD") is None

    def test_an_old_rate_is_shown_but_not_used(self) -> None:
        record(rate(as_of=TODAY - timedelta(days=9)))

        assert currency_rates.newest(quote="CAD") is not None
        with pytest.raises(currency_rates.RateUnavailable):
            currency_rates.current(quote="CAD", now=NOW)


class ListedRates:
    """A source that gives what it is told to."""

    code = "listed"

    def __init__(self, *quotes: Quote) -> None:
        self.quotes = quotes

    def fetch(self, pairs: Sequence[Pair], on: date) -> list[Quote]:
        return list(self.quotes)


@pytest.mark.django_db
class TestRefresh:
    def test_records_every_currency_we_sell_in(self) -> None:
        result = currency_rates.refresh(provider=FixedRates(), now=NOW)

        assert [str(row) for row in result.recorded] == [
            "1 USD = 1.3706 CAD (2026-11-02, fixed)",
            "1 USD = 1371.8079 NGN (2026-11-02, fixed)",
        ]
        assert not result.refused
        assert {row.created_by for row in result.recorded} == {"system:refresh-rates"}

    def test_a_second_time_a_day_says_nothing_new(self) -> None:
        currency_rates.refresh(provider=FixedRates(), now=NOW)

        with books_of.nothing_changed():
            result = currency_rates.refresh(provider=FixedRates(), now=NOW + timedelta(hours=6))

        assert (result.recorded, result.refused) == ([], [])

    def test_one_wrong_rate_does_not_stop_the_others(self) -> None:
        record(rate("1.40"))
        source = ListedRates(rate("14.0"), rate("1400", quote="NGN"))

        result = currency_rates.refresh(provider=source, now=NOW)

        assert [row.quote for row in result.recorded] == ["NGN"]
        [refused] = result.refused
        assert refused.startswith("USD/CAD: 14 is")
        assert currency_rates.current(quote="CAD", now=NOW).rate == Decimal("1.40")

    def test_names_what_the_source_does_not_give(self) -> None:
        result = currency_rates.refresh(provider=ListedRates(rate()), now=NOW)

        assert result.refused == ["USD/NGN: not given"]

    def test_the_job_uses_the_configured_source(self, settings: Any, tmp_path: Path) -> None:
        settings.RATE_PROVIDER = "file"
        settings.RATE_FILE = str(tmp_path / "rates.csv")
        content = "base,quote,rate,date\nUSD,CAD,1.38,2026-01-02\nUSD,NGN,1400,2026-01-02\n"
        (tmp_path / "rates.csv").write_text(content)

        tasks.refresh_rates()

        sources = CurrencyRate.objects.values_list("source", flat=True)
        assert list(sources) == ["file", "file"]


class TestFile:
    """A CSV file: the newest row of each pair, or the line that is wrong."""

    def fetch(self, path: Path, content: str | bytes, on: date = TODAY) -> list[Quote]:
        file = path / "rates.csv"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return FileRates(file).fetch(PAIRS, on)

    def test_gives_the_newest_row_that_is_not_later_than_the_day(self, tmp_path: Path) -> None:
        content = (
            "base,quote,rate,date\n"
            "USD,CAD,1.38,2026-10-30\n"
            "USD,CAD,1.40,2026-11-01\n"
            "USD,CAD,1.39,2026-10-31\n"
            "USD,CAD,1.99,2026-11-03\n"
            "USD,NGN,1371.8079,2026-11-02\n"
            "EUR,CAD,1.60,2026-11-02\n"
        )

        quotes = self.fetch(tmp_path, content)

        assert quotes == [
            Quote("USD", "CAD", Decimal("1.40"), date(2026, 11, 1), "file"),
            Quote("USD", "NGN", Decimal("1371.8079"), date(2026, 11, 2), "file"),
        ]

    def test_leaves_out_a_pair_it_does_not_have(self, tmp_path: Path) -> None:
        assert self.fetch(tmp_path, "base,quote,rate,date\n") == []

    @pytest.mark.parametrize(
        ("line", "fault"),
        [
            ("USD,CAD,,2026-11-02", "line 3: '' is no rate above zero"),
            ("USD,CAD,0,2026-11-02", "line 3: '0' is no rate above zero"),
            ("USD,CAD,0.000,2026-11-02", "line 3: '0.000' is no rate above zero"),
            ("USD,CAD,-1.38,2026-11-02", "line 3: '-1.38' is no rate above zero"),
            ("USD,CAD,NaN,2026-11-02", "line 3: 'NaN' is no rate above zero"),
            ("USD,CAD,Infinity,2026-11-02", "line 3: 'Infinity' is no rate above zero"),
            ("USD,CAD,1e3,2026-11-02", "line 3: '1e3' is no rate above zero"),
            ("USD,CAD,1_371,2026-11-02", "line 3: '1_371' is no rate above zero"),
            ("USD,CAD,1٫38,2026-11-02", "line 3: '1٫38' is no rate above zero"),
            ('USD,CAD,"1,38",2026-11-02', "line 3: '1,38' is no rate above zero"),
            ("USD,CAD,1,371.80,2026-11-02", "line 3: a line has 4 cells"),
            ("USD,CAD,1.38", "line 3: a line has 4 cells"),
            ("USD,CAD,1.38,02.11.2026", "line 3: '02.11.2026' is no date"),
            ("USD,CAD,1.38,2026-02-30", "line 3: '2026-02-30' is no date"),
            ("USD,CAD,1.38,", "line 3: '' is no date"),
        ],
    )
    def test_names_the_line_that_is_wrong(self, tmp_path: Path, line: str, fault: str) -> None:
        content = f"base,quote,rate,date\nUSD,NGN,1371.8079,2026-11-02\n{line}\n"

        with pytest.raises(RateSourceUnreadable) as error:
            self.fetch(tmp_path, content)

        assert str(error.value).endswith(fault)

    @pytest.mark.parametrize(
        "content",
        ["", "base;quote;rate;date\n", "quote,base,rate,date\n", "USD,CAD,1.38,2026-11-02\n"],
    )
    def test_insists_on_the_header(self, tmp_path: Path, content: str) -> None:
        with pytest.raises(RateSourceUnreadable, match="the header must be"):
            self.fetch(tmp_path, content)

    @pytest.mark.parametrize(
        "content",
        [b"\xff\xfeb\x00a\x00", b"base,quote,rate,date\nUSD,CAD,1.38,\xe9\n"],
    )
    def test_says_that_a_file_is_not_text(self, tmp_path: Path, content: bytes) -> None:
        with pytest.raises(RateSourceUnreadable, match="no CSV file in UTF-8"):
            self.fetch(tmp_path, content)

    def test_says_that_there_is_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(RateSourceUnreadable, match="No such file"):
            FileRates(tmp_path / "rates.csv").fetch(PAIRS, TODAY)


class TestChoiceOfTheSource:
    def test_the_setting_names_it(self, settings: Any, tmp_path: Path) -> None:
        settings.RATE_PROVIDER = "file"
        settings.RATE_FILE = str(tmp_path)

        assert rate_provider().code == "file"
        assert rate_provider("fixed").code == "fixed"

    @pytest.mark.parametrize(
        ("code", "fault"),
        [
            ("file", "needs RATE_FILE"),
            ("boc,file", "needs RATE_FILE"),
            ("openexchangerates", "needs OPENEXCHANGERATES_APP_ID"),
            ("BOC", "RATE_PROVIDER=BOC: choose of fixed, file, ecb, boc"),
            ("boc,", "RATE_PROVIDER=: choose of"),
            ("boc,cbn,boc", "stands there twice"),
        ],
    )
    def test_a_source_that_is_not_set_up_is_said(
        self, settings: Any, code: str, fault: str
    ) -> None:
        settings.RATE_FILE = ""
        settings.OPENEXCHANGERATES_APP_ID = ""

        with pytest.raises(ImproperlyConfigured, match=fault):
            rate_provider(code)

    def test_it_may_name_several_in_order(self, settings: Any) -> None:
        settings.RATE_PROVIDER = "boc, cbn,fixed"

        assert rate_provider().code == "boc,cbn,fixed"

    @pytest.mark.parametrize("code", SOURCES)
    def test_each_source_calls_itself_by_its_name_in_the_setting(
        self, settings: Any, tmp_path: Path, code: str
    ) -> None:
        settings.RATE_FILE = str(tmp_path)
        settings.OPENEXCHANGERATES_APP_ID = "key"

        assert rate_provider(code).code == code

    def test_a_system_check_says_what_is_missing(self, settings: Any) -> None:
        settings.RATE_PROVIDER = "boc,openexchangerates"
        settings.OPENEXCHANGERATES_APP_ID = ""

        faults = [fault for fault in run_checks() if fault.id == "legato.E017"]

        assert [fault.msg for fault in faults] == [
            "RATE_PROVIDER=openexchangerates needs OPENEXCHANGERATES_APP_ID, the key."
        ]
