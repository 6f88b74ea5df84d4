"""The sources of exchange rates: what they answer becomes quotes, or a fault that is named."""

import io
import json
import threading
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest
from structlog.testing import capture_logs

from payments.gateways.rates import boc, cbn, ecb, frankfurter, openexchangerates
from payments.gateways.rates.base import Pair, Quote, RateProvider, RateSourceUnreadable
from payments.gateways.rates.boc import BocRates
from payments.gateways.rates.cbn import CbnRates
from payments.gateways.rates.ecb import EcbRates
from payments.gateways.rates.fixed import FixedRates
from payments.gateways.rates.frankfurter import FrankfurterRates
from payments.gateways.rates.openexchangerates import OpenExchangeRates
from payments.gateways.rates.several import SeveralRates
from tests import specs

CAD: Pair = ("USD", "CAD")
NGN: Pair = ("USD", "NGN")
PAIRS = [CAD, NGN]

TODAY = date(2026, 10, 31)
FRIDAY = date(2026, 10, 30)


def quoted(quotes: Sequence[Quote]) -> dict[str, str]:
    """The rates by pair, as they would be kept: twelve digits behind the point."""
    return {
        f"{quote.base}/{quote.quote}": f"{quote.rate.quantize(Decimal('1e-12')).normalize():f}"
        for quote in quotes
    }


class TestEcb:
    """Two lines of text in a zip file, counted in euro."""

    TEXT = "Date, USD, JPY, CAD, \n30 October 2026, 1.1172, 175.68, 1.5606, \n"

    def test_reads_the_official_sample(self) -> None:
        text = specs.path("fx/ecb-eurofxref-2026-10-30.csv").read_text()

        quotes = EcbRates().read(text, [("EUR", "USD"), ("EUR", "CAD"), *PAIRS], TODAY)

        assert quoted(quotes) == {
            "EUR/USD": "1.1172",
            "EUR/CAD": "1.5606",
            "USD/CAD": "1.396885069817",  # 1.5606 / 1.1172
        }
        assert {(quote.as_of, quote.source) for quote in quotes} == {(FRIDAY, "ecb")}

    def test_crosses_with_more_digits_than_the_history_keeps(self) -> None:
        [quote] = EcbRates().read(self.TEXT, [CAD], TODAY)

        assert abs(quote.rate * Decimal("1.1172") - Decimal("1.5606")) < Decimal("1e-27")

    def test_a_day_to_come_is_no_news(self) -> None:
        assert EcbRates().read(self.TEXT, [CAD], date(2026, 10, 29)) == []

    @pytest.mark.parametrize(
        ("right", "wrong", "fault"),
        [
            ("1.1172", "", "USD is no rate: ''"),
            ("1.1172", "0.0000", "USD is no rate: '0.0000'"),
            ("1.1172", "-1.1172", "USD is no rate: '-1.1172'"),
            ("1.1172", "NaN", "USD is no rate: 'NaN'"),
            ("1.5606", "1e3", "CAD is no rate: '1e3'"),
            ("1.5606", "N/A", "CAD is no rate: 'N/A'"),
            ("30 October", "30 Oktober", "Date is no day: '30 Oktober 2026'"),
            ("30 October", "31 February", "Date is no day: '31 February 2026'"),
            ("30 October 2026", "2026-10-30", "Date is no day: '2026-10-30'"),
            ("Date", "Day", "not a header and one day"),
            ("175.68, ", "", "not a header and one day"),
            ("\n30", "\n\n\nx\n30", "not a header and one day"),
        ],
    )
    def test_names_the_field_that_is_wrong(self, right: str, wrong: str, fault: str) -> None:
        assert right in self.TEXT

        with pytest.raises(RateSourceUnreadable) as error:
            EcbRates().read(self.TEXT.replace(right, wrong), [CAD], TODAY)

        assert str(error.value).startswith("ecb: ")
        assert str(error.value).endswith(fault)

    def test_a_currency_nobody_asked_for_may_be_missing(self) -> None:
        text = self.TEXT.replace("175.68", "N/A")

        assert quoted(EcbRates().read(text, [CAD], TODAY)) == {"USD/CAD": "1.396885069817"}


class TestBoc:
    """JSON by day and series, counted in Canadian dollars."""

    BODY: dict[str, Any] = {
        "terms": {"url": "https://www.bankofcanada.ca/terms/"},
        "seriesDetail": {"FXUSDCAD": {"label": "USD/CAD"}},
        "observations": [
            {"d": "2026-05-20", "FXEURCAD": {"v": "1.5921"}, "FXUSDCAD": {"v": "1.3712"}},
            {"d": "2026-05-21", "FXEURCAD": {"v": "1.5907"}, "FXUSDCAD": {"v": "1.3706"}},
        ],
    }

    def read(self, body: Any = BODY, on: date = TODAY, *more: Pair) -> list[Quote]:
        return BocRates().read(json.dumps(body).encode(), [*PAIRS, *more], on)

    def test_gives_the_newest_day_exactly(self) -> None:
        assert self.read() == [Quote("USD", "CAD", Decimal("1.3706"), date(2026, 5, 21), "boc")]

    def test_gives_the_newest_day_that_is_not_later_than_asked_for(self) -> None:
        [quote] = self.read(self.BODY, date(2026, 5, 20))

        assert (quote.rate, quote.as_of) == (Decimal("1.3712"), date(2026, 5, 20))
        assert self.read(self.BODY, date(2026, 5, 19)) == []

    def test_crosses_through_the_canadian_dollar(self) -> None:
        quotes = self.read(self.BODY, TODAY, ("CAD", "USD"), ("USD", "EUR"))

        assert quoted(quotes) == {
            "USD/CAD": "1.3706",
            "CAD/USD": "0.729607471181",  # 1 / 1.3706
            "USD/EUR": "0.861633243226",  # 1.3706 / 1.5907
        }

    @pytest.mark.parametrize(
        ("changes", "fault"),
        [
            ({"FXUSDCAD": {"v": ""}}, "FXUSDCAD.v is no rate: ''"),
            ({"FXUSDCAD": {"v": "0"}}, "FXUSDCAD.v is no rate: '0'"),
            ({"FXUSDCAD": {"v": 1.3706}}, "FXUSDCAD.v is no rate: '1.3706'"),
            ({"FXUSDCAD": {}}, "FXUSDCAD.v is no rate: 'None'"),
            ({"FXUSDCAD": "1.3706"}, "FXUSDCAD is missing or of another kind: '1.3706'"),
            ({"d": "21/05/2026"}, "observations.d is no day: '21/05/2026'"),
            ({"d": "20260521"}, "observations.d is no day: '20260521'"),
            ({"d": None}, "d is missing or of another kind: 'None'"),
        ],
    )
    def test_names_the_field_that_is_wrong(self, changes: dict[str, Any], fault: str) -> None:
        before, newest = self.BODY["observations"]
        body = {**self.BODY, "observations": [before, {**newest, **changes}]}

        with pytest.raises(RateSourceUnreadable) as error:
            self.read(body)

        assert str(error.value) == f"boc: {fault}"

    @pytest.mark.parametrize("body", [[], {}, {"observations": None}, "x", None])
    def test_insists_on_observations(self, body: Any) -> None:
        with pytest.raises(RateSourceUnreadable, match="observations is missing"):
            self.read(body)

    @pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe", b'{"x": NaN}', b"[" * 200_000])
    def test_says_that_an_answer_is_no_json(self, body: bytes) -> None:
        with pytest.raises(RateSourceUnreadable, match="boc: the answer is no JSON"):
            BocRates().read(body, PAIRS, TODAY)


class TestCbn:
    """JSON rows of every currency and day, counted in naira."""

    ROW: dict[str, Any] = {
        "id": 61888,
        "currency": "US DOLLAR",
        "ratedate": "2026-05-21",
        "buyingrate": "1371.3079",
        "centralrate": "1371.8079",
        "sellingrate": "1372.3079",
    }

    def read(self, *rows: Any, on: date = TODAY) -> list[Quote]:
        return CbnRates().read(json.dumps(rows).encode(), PAIRS, on)

    def test_reads_the_official_sample(self) -> None:
        body = specs.path("fx/cbn-GetAllExchangeRates-sample.json").read_bytes()

        assert CbnRates().read(body, PAIRS, TODAY) == [
            Quote("USD", "NGN", Decimal("1371.8079"), date(2026, 5, 21), "cbn")
        ]
        assert CbnRates().read(body, PAIRS, date(2026, 5, 20)) == [
            Quote("USD", "NGN", Decimal("1372.8431"), date(2026, 5, 20), "cbn")
        ]
        assert CbnRates().read(body, PAIRS, date(2026, 5, 19)) == []

    def test_the_order_of_the_rows_says_nothing(self) -> None:
        older = {**self.ROW, "ratedate": "2001-12-10", "centralrate": "112.3"}

        assert self.read(older, self.ROW) == self.read(self.ROW, older)
        assert quoted(self.read(older, self.ROW)) == {"USD/NGN": "1371.8079"}

    def test_a_currency_it_does_not_have_is_left_out(self) -> None:
        assert self.read({**self.ROW, "currency": "CFA"}) == []

    def test_a_row_that_stands_there_twice_is_one(self) -> None:
        assert quoted(self.read(self.ROW, self.ROW)) == {"USD/NGN": "1371.8079"}

    @pytest.mark.parametrize(
        ("changes", "fault"),
        [
            ({"centralrate": "1,371.80"}, "centralrate is no rate: '1,371.80'"),
            ({"centralrate": "0.0000"}, "centralrate is no rate: '0.0000'"),
            ({"centralrate": 1371.8079}, "centralrate is no rate: '1371.8079'"),
            ({"centralrate": None}, "centralrate is no rate: 'None'"),
            ({"ratedate": "5/21/2026"}, "ratedate is no day: '5/21/2026'"),
            ({"ratedate": None}, "ratedate is no day: 'None'"),
            ({"currency": None}, "currency is missing or of another kind: 'None'"),
        ],
    )
    def test_names_the_field_that_is_wrong(self, changes: dict[str, Any], fault: str) -> None:
        with pytest.raises(RateSourceUnreadable) as error:
            self.read({**self.ROW, **changes})

        assert str(error.value) == f"cbn: {fault}"

    def test_two_rates_for_one_day_are_none(self) -> None:
        with pytest.raises(RateSourceUnreadable, match="two different rates of USD"):
            self.read(self.ROW, {**self.ROW, "centralrate": "1400.0000"})

    @pytest.mark.parametrize("body", [b"[]", b"{}", b'"x"'])
    def test_insists_on_a_list(self, body: bytes) -> None:
        with pytest.raises(RateSourceUnreadable, match="no list of rates"):
            CbnRates().read(body, PAIRS, TODAY)


class TestFrankfurter:
    """JSON rows of pairs, crossed by the service."""

    ROWS: tuple[dict[str, Any], ...] = (
        {"date": "2026-10-30", "base": "USD", "quote": "CAD", "rate": 1.3969},
        {"date": "2026-10-30", "base": "USD", "quote": "NGN", "rate": 1371.80790001},
    )

    def read(self, *rows: dict[str, Any]) -> list[Quote]:
        return FrankfurterRates().read(json.dumps(rows).encode(), PAIRS, TODAY)

    def test_reads_the_documented_example(self) -> None:
        description = specs.load("fx/frankfurter-v2-openapi.json")
        answer = description["paths"]["/rates"]["get"]["responses"]["200"]
        example = answer["content"]["application/json"]["example"]

        quotes = FrankfurterRates().read(json.dumps(example).encode(), [("EUR", "USD")], TODAY)

        day = date(2024, 1, 15)
        assert quotes == [Quote("EUR", "USD", Decimal("1.089"), day, "frankfurter")]

    def test_keeps_every_digit(self) -> None:
        assert quoted(self.read(*self.ROWS)) == {"USD/CAD": "1.3969", "USD/NGN": "1371.80790001"}

    def test_the_newest_row_of_a_pair_counts_and_none_to_come(self) -> None:
        cad = self.ROWS[0]
        older = {**cad, "date": "2026-10-29", "rate": 1.41}
        to_come = {**cad, "date": "2026-11-01", "rate": 1.42}

        assert quoted(self.read(older, cad, to_come)) == {"USD/CAD": "1.3969"}

    @pytest.mark.parametrize(
        ("changes", "fault"),
        [
            ({"rate": "1.3969"}, "rate is no rate: '1.3969'"),
            ({"rate": 0}, "rate is no rate: '0'"),
            ({"rate": -1.4}, "rate is no rate: '-1.4'"),
            ({"rate": True}, "rate is no rate: 'True'"),
            ({"rate": None}, "rate is no rate: 'None'"),
            ({"date": "2026-10"}, "date is no day: '2026-10'"),
            ({"base": None}, "base is missing or of another kind: 'None'"),
            ({"quote": 1}, "quote is missing or of another kind: '1'"),
        ],
    )
    def test_names_the_field_that_is_wrong(self, changes: dict[str, Any], fault: str) -> None:
        with pytest.raises(RateSourceUnreadable) as error:
            self.read({**self.ROWS[0], **changes})

        assert str(error.value) == f"frankfurter: {fault}"

    @pytest.mark.parametrize("figure", ["1e999999999", "1e-999999999", "1e12"])
    def test_a_number_that_would_fill_the_memory_is_no_rate(self, figure: str) -> None:
        body = f'[{{"date": "2026-10-30", "base": "USD", "quote": "CAD", "rate": {figure}}}]'

        with pytest.raises(RateSourceUnreadable, match="rate is no rate"):
            FrankfurterRates().read(body.encode(), PAIRS, TODAY)


class TestOpenExchangeRates:
    """JSON of one hour, counted in US dollars."""

    BODY: dict[str, Any] = {
        "timestamp": 1793404800,  # 2026-10-31 00:00 UTC
        "base": "USD",
        "rates": {"CAD": 1.396885, "EUR": 0.895095, "NGN": 1371.8079},
    }

    def read(self, **changes: Any) -> list[Quote]:
        body = json.dumps({**self.BODY, **changes}).encode()
        return OpenExchangeRates("key").read(body, [*PAIRS, ("EUR", "CAD")], TODAY)

    def test_gives_its_figures_and_crosses_through_the_dollar(self) -> None:
        quotes = self.read()

        assert quoted(quotes) == {
            "USD/CAD": "1.396885",
            "USD/NGN": "1371.8079",
            "EUR/CAD": "1.56059971288",
        }
        assert {quote.as_of for quote in quotes} == {TODAY}

    def test_a_day_to_come_is_no_news(self) -> None:
        assert self.read(timestamp=1793404800 + 86_400) == []

    @pytest.mark.parametrize(
        ("changes", "fault"),
        [
            ({"base": "EUR"}, "base is not USD"),
            ({"base": None}, "base is missing or of another kind: 'None'"),
            ({"timestamp": "1793404800"}, "timestamp is missing or of another kind: '1793404800'"),
            ({"timestamp": 10**20}, "timestamp is no time: '100000000000000000000'"),
            ({"rates": []}, "rates is missing or of another kind: '[]'"),
            ({"rates": {"CAD": "1.4"}}, "rates.CAD is no rate: '1.4'"),
            ({"rates": {"NGN": 0}}, "rates.NGN is no rate: '0'"),
        ],
    )
    def test_names_the_field_that_is_wrong(self, changes: dict[str, Any], fault: str) -> None:
        with pytest.raises(RateSourceUnreadable) as error:
            self.read(**changes)

        assert str(error.value) == f"openexchangerates: {fault}"


class ListedRates:
    """A source that gives what it is told to, or nothing that can be read."""

    def __init__(self, code: str, *quotes: Quote, is_readable: bool = True) -> None:
        self.code = code
        self.quotes = quotes
        self.is_readable = is_readable
        self.asked: list[Pair] = []

    def fetch(self, pairs: Sequence[Pair], on: date) -> list[Quote]:
        self.asked = list(pairs)
        if not self.is_readable:
            raise RateSourceUnreadable(f"{self.code}: no answer")
        return [quote for quote in self.quotes if (quote.base, quote.quote) in pairs]


class TestSeveral:
    """A list of sources: each is asked for what those before it lack."""

    CAD_QUOTE = Quote("USD", "CAD", Decimal("1.3706"), FRIDAY, "first")
    NGN_QUOTE = Quote("USD", "NGN", Decimal("1371.8079"), FRIDAY, "second")

    def test_the_next_is_asked_for_what_is_missing(self) -> None:
        first = ListedRates("first", self.CAD_QUOTE)
        second = ListedRates("second", self.NGN_QUOTE)
        third = ListedRates("third")

        quotes = SeveralRates([first, second, third]).fetch(PAIRS, TODAY)

        assert quotes == [self.CAD_QUOTE, self.NGN_QUOTE]
        assert (first.asked, second.asked, third.asked) == (PAIRS, [NGN], [])

    def test_one_that_cannot_be_read_leaves_its_pairs_to_the_next_and_is_named(self) -> None:
        broken = ListedRates("broken", is_readable=False)

        with capture_logs() as logs:
            quotes = SeveralRates([broken, FixedRates()]).fetch(PAIRS, TODAY)

        assert {quote.source for quote in quotes} == {"fixed"}
        assert [(log["event"], log["source"]) for log in logs] == [
            ("rate_source_unreadable", "broken")
        ]

    def test_with_nothing_at_all_every_fault_is_said(self) -> None:
        sources: list[RateProvider] = [
            ListedRates("one", is_readable=False),
            ListedRates("two", is_readable=False),
            ListedRates("three"),
        ]

        with pytest.raises(RateSourceUnreadable, match="one: no answer; two: no answer"):
            SeveralRates(sources).fetch(PAIRS, TODAY)


class Peer(NamedTuple):
    """A host on loopback that gives one answer, and the paths it was asked for."""

    url: str
    answer: dict[str, Any]
    paths: list[str]


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A host that answers 200 with nothing, until told otherwise."""
    answer: dict[str, Any] = {"status": 200, "body": b""}
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(answer["status"])
            self.send_header("Content-Length", str(len(answer["body"])))
            self.end_headers()
            self.wfile.write(answer["body"])

        def log_message(self, *_: Any) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Peer(f"http://127.0.0.1:{server.server_port}/rates", answer, paths)
    server.shutdown()
    server.server_close()


def zipped(text: str, name: str = "eurofxref.csv") -> bytes:
    """A zip file with one text in it."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
    return body.getvalue()


class TestOverHttp:
    @pytest.mark.parametrize(
        ("source", "module", "body", "path", "given"),
        [
            (EcbRates(), ecb, zipped(TestEcb.TEXT), "/rates", {CAD}),
            (BocRates(), boc, TestBoc.BODY, "/rates?recent=5", {CAD}),
            (CbnRates(), cbn, [TestCbn.ROW], "/rates", {NGN}),
            (
                FrankfurterRates(),
                frankfurter,
                TestFrankfurter.ROWS,
                "/rates?base=USD&quotes=CAD%2CNGN",
                {CAD, NGN},
            ),
            (
                OpenExchangeRates("a key"),
                openexchangerates,
                TestOpenExchangeRates.BODY,
                "/rates?app_id=a+key",
                {CAD, NGN},
            ),
        ],
        ids=lambda value: getattr(value, "code", None),
    )
    def test_each_source_asks_once_and_reads_the_answer(
        self,
        peer: Peer,
        monkeypatch: pytest.MonkeyPatch,
        source: RateProvider,
        module: Any,
        body: Any,
        path: str,
        given: set[Pair],
    ) -> None:
        monkeypatch.setattr(module, "URL", peer.url)
        peer.answer["body"] = body if isinstance(body, bytes) else json.dumps(body).encode()

        quotes = source.fetch(PAIRS, TODAY)

        assert {(quote.base, quote.quote) for quote in quotes} == given
        assert {quote.source for quote in quotes} == {source.code}
        assert peer.paths == [path]

    @pytest.mark.parametrize("status", [204, 302, 401, 429, 500, 503])
    def test_another_status_is_said(
        self, peer: Peer, monkeypatch: pytest.MonkeyPatch, status: int
    ) -> None:
        monkeypatch.setattr(boc, "URL", peer.url)
        peer.answer["status"] = status

        with pytest.raises(RateSourceUnreadable, match=f"boc: it answered with status {status}"):
            BocRates().fetch(PAIRS, TODAY)

    def test_no_answer_is_said_without_the_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(openexchangerates, "URL", "http://127.0.0.1:1/rates")

        with pytest.raises(RateSourceUnreadable) as error:
            OpenExchangeRates("secret-key").fetch(PAIRS, TODAY)

        assert str(error.value) == "openexchangerates: no answer (ConnectionError)"
        assert error.value.__cause__ is None
        assert error.value.__suppress_context__

    def test_the_whole_history_of_nigeria_fits(
        self, peer: Peer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cbn, "URL", peer.url)
        old = {**TestCbn.ROW, "ratedate": "2020-01-02"}
        peer.answer["body"] = json.dumps([TestCbn.ROW, *[old] * 70_000]).encode()
        assert len(peer.answer["body"]) > 9_000_000

        assert quoted(CbnRates().fetch(PAIRS, TODAY)) == {"USD/NGN": "1371.8079"}

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"<html>",
            zipped(TestEcb.TEXT, name="other.csv"),
            zipped(TestEcb.TEXT)[:-30],
            zipped("0" * 10_000_000),
            zipped(TestEcb.TEXT + "\u20a6"),
        ],
    )
    def test_a_zip_file_without_a_short_text_is_said(
        self, peer: Peer, monkeypatch: pytest.MonkeyPatch, body: bytes
    ) -> None:
        monkeypatch.setattr(ecb, "URL", peer.url)
        peer.answer["body"] = body

        with pytest.raises(RateSourceUnreadable, match=r"eurofxref\.csv"):
            EcbRates().fetch([CAD], TODAY)
