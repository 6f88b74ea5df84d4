"""quotes.quote(): what a purchase costs, in three currencies (rules.md, rules 1 and 5)"""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from legato_payments.lib.ids import uuid7
from legato_payments.lib.money import Money
from payments.gateways.rates.base import Quote as RateQuote
from payments.models import CoinPackage, Policy
from payments.services import currency_rates, packages, policies, quotes
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db


def quote(
    currency: str = "USD",
    *,
    package_id: UUID | None = None,
    coins: int | None = None,
    minimum_minor: int = 1,
) -> quotes.Quote:
    return quotes.quote(
        package_id=package_id, coins=coins, currency=currency, minimum_minor=minimum_minor, now=NOW
    )


def quote_of(name: str, currency: str) -> quotes.Quote:
    return quote(currency, package_id=factories.package(name).pk)


def put_on_sale(name: str, usd: str, **terms: int) -> CoinPackage:
    """A package with a price in US dollars alone."""
    described = packages.Terms(
        coins=terms.get("coins", 1_000),
        bonus_percent=0,
        prices={"USD": Money.parse(usd, "USD").micros},
    )
    return packages.create(name=name, terms=described, is_active=True, actor="staff:1", now=NOW)


def set_rate(currency: str, rate: str) -> None:
    quoted = RateQuote("USD", currency, Decimal(rate), NOW.date(), "manual")
    currency_rates.record(quote=quoted, actor="staff:1", now=NOW, allow_jump=True)


@pytest.mark.usefixtures("rates")
@pytest.mark.parametrize(
    ("name", "coins", "usd", "cad", "ngn"),
    [
        ("Starter Pack", 100, "0.99", "1.39", "1400.00"),
        ("Reader Pack", 525, "4.99", "6.99", "6850.00"),
        ("Enthusiast Pack", 1_320, "9.99", "13.99", "13750.00"),
        ("Premium Pack", 2_875, "19.99", "27.99", "27450.00"),
        ("Ultimate Pack", 6_600, "39.99", "54.99", "54900.00"),
    ],
)
def test_the_five_packages_cost_their_list_price(
    name: str, coins: int, usd: str, cad: str, ngn: str
) -> None:
    for currency, amount in (("USD", usd), ("CAD", cad), ("NGN", ngn)):
        quoted = quote_of(name, currency)

        assert quoted.price == Money.parse(amount, currency)
        assert quoted.coins + quoted.bonus_coins == coins


@pytest.mark.usefixtures("rates")
@pytest.mark.parametrize(
    ("name", "usd", "cad", "ngn"),
    [
        ("Starter Pack", 990_000, 1_014_154, 1_020_551),
        ("Reader Pack", 4_990_000, 5_099_956, 4_993_410),
        ("Enthusiast Pack", 9_990_000, 10_207_208, 10_023_269),
        ("Premium Pack", 19_990_000, 20_421_713, 20_010_090),
        ("Ultimate Pack", 39_990_000, 40_121_114, 40_020_180),
    ],
)
def test_coins_are_worth_the_price_at_the_newest_rate_rounded_down(
    name: str, usd: int, cad: int, ngn: int
) -> None:
    for currency, micros in (("USD", usd), ("CAD", cad), ("NGN", ngn)):
        assert quote_of(name, currency).value_micros == micros


@pytest.mark.usefixtures("rates")
def test_says_which_rate_it_used() -> None:
    assert quote_of("Starter Pack", "USD").fx_rate is None
    assert quote_of("Starter Pack", "CAD").fx_rate == Decimal("1.3706")
    assert quote_of("Starter Pack", "NGN").fx_rate == Decimal("1371.8079")


@pytest.mark.usefixtures("rates")
@pytest.mark.parametrize(
    ("coins", "currency", "price"),
    [
        # 0.0099, 0.0139 and 14 a coin, as the Starter Pack.
        (1, "USD", "0.01"),
        (100, "USD", "0.99"),
        (101, "USD", "1.00"),
        (777, "USD", "7.70"),
        (1_000, "USD", "9.90"),
        (100_000, "USD", "990.00"),
        (777, "CAD", "10.81"),
        (1_000, "CAD", "13.90"),
        (777, "NGN", "10878.00"),
    ],
)
def test_exact_coins_cost_the_undiscounted_rate_rounded_up_to_the_minor_unit(
    coins: int, currency: str, price: str
) -> None:
    quoted = quote(currency, coins=coins)

    assert quoted.price == Money.parse(price, currency)
    assert (quoted.coins, quoted.bonus_coins, quoted.version) == (coins, 0, None)


@pytest.mark.usefixtures("rates")
@pytest.mark.parametrize(
    ("currency", "minimum_minor", "too_few", "enough"),
    [("USD", 50, 49, 50), ("CAD", 50, 35, 36), ("NGN", 5_000, 3, 4)],
)
def test_a_top_up_below_what_the_gateway_takes_is_refused(
    currency: str, minimum_minor: int, too_few: int, enough: int
) -> None:
    with pytest.raises(quotes.BelowMinimum) as refusal:
        quote(currency, coins=too_few, minimum_minor=minimum_minor)

    minimum = Money.from_minor(minimum_minor, currency)
    assert refusal.value.members["minimum"] == minimum.to_json()
    assert quote(currency, coins=enough, minimum_minor=minimum_minor).price.micros >= minimum.micros


def test_a_package_below_what_the_gateway_takes_is_refused() -> None:
    cheap = put_on_sale("Try-out", "0.49", coins=49)

    with pytest.raises(quotes.BelowMinimum):
        quote(package_id=cheap.pk, minimum_minor=50)

    assert quote(package_id=cheap.pk, minimum_minor=49).price == Money.parse("0.49", "USD")


def test_a_top_up_has_a_limit_that_finance_sets() -> None:
    with pytest.raises(quotes.TooManyCoins) as refusal:
        quote(coins=100_001)
    assert refusal.value.members["maximum_coins"] == 100_000

    policies.change(
        name=Policy.Name.TOP_UP_MAX_COINS,
        value=100_001,
        valid_from=NOW,
        actor="staff:1",
        reason="campaign",
        now=NOW,
    )
    assert quote(coins=100_001).coins == 100_001


class TestConversion:
    """A currency without a list price: the dollar price at the newest rate, rounded up."""

    @pytest.mark.parametrize(
        ("usd", "currency", "rate", "price"),
        [
            ("9.99", "CAD", "1.3706", "13.70"),  # 13.692294
            ("8.00", "CAD", "1.25", "10.00"),  # exactly
            ("8.00", "CAD", "1.25000001", "10.01"),
            ("9.99", "NGN", "1371.8079", "13750.00"),  # 13,704.36
            ("10.00", "NGN", "1375", "13750.00"),  # exactly
            ("10.00", "NGN", "1375.0001", "13800.00"),
        ],
    )
    def test_a_package_price_is_rounded_up_to_the_cent_or_50_naira(
        self, usd: str, currency: str, rate: str, price: str
    ) -> None:
        package = put_on_sale("Dollars only", usd)
        set_rate(currency, rate)

        assert quote(currency, package_id=package.pk).price == Money.parse(price, currency)

    def test_a_newer_rate_moves_the_price(self) -> None:
        package = put_on_sale("Dollars only", "10.00")
        set_rate("CAD", "1.30")
        before = quote("CAD", package_id=package.pk).price

        set_rate("CAD", "1.35")

        assert before == Money.parse("13.00", "CAD")
        assert quote("CAD", package_id=package.pk).price == Money.parse("13.50", "CAD")

    def test_exact_coins_cost_as_the_converted_starter_pack(self) -> None:
        set_rate("CAD", "1.3706")
        starter = factories.package("Starter Pack")
        packages.change(
            package_id=starter.pk,
            expected_version=1,
            terms=packages.Terms(100, 0, {"USD": 990_000}),
            actor="staff:1",
            now=NOW,
        )

        assert quote("CAD", package_id=starter.pk).price == Money.parse("1.36", "CAD")
        assert quote("CAD", coins=100).price == Money.parse("1.36", "CAD")
        assert quote("CAD", coins=777).price == Money.parse("10.57", "CAD")


@pytest.mark.parametrize("currency", ["CAD", "NGN"])
class TestWithoutARate:
    """The books are in dollars, so even a listed price needs a rate."""

    def test_a_missing_rate_stops_the_sale(self, currency: str) -> None:
        with pytest.raises(currency_rates.RateUnavailable) as refusal:
            quote_of("Starter Pack", currency)

        assert refusal.value.retry_after == 3600

    def test_a_stale_rate_stops_the_sale(self, currency: str) -> None:
        old = NOW - timedelta(days=6)
        quoted = RateQuote("USD", currency, Decimal("1.5"), old.date(), "cbn")
        currency_rates.record(quote=quoted, actor="system:refresh-rates", now=old)

        with pytest.raises(currency_rates.RateUnavailable):
            quote_of("Starter Pack", currency)
        with pytest.raises(currency_rates.RateUnavailable):
            quote(currency, coins=1_000)

    def test_dollars_are_sold_all_the_same(self, currency: str) -> None:
        assert quote_of("Starter Pack", "USD").price == Money.parse("0.99", "USD")


class TestNotOnSale:
    def test_an_unknown_package_has_no_price(self) -> None:
        with pytest.raises(quotes.PackageUnavailable):
            quote(package_id=uuid7())

    def test_a_package_taken_off_the_shelf_has_none_either(self) -> None:
        package = factories.package("Reader Pack")
        packages.change(
            package_id=package.pk, expected_version=1, is_active=False, actor="staff:1", now=NOW
        )

        with pytest.raises(quotes.PackageUnavailable):
            quote(package_id=package.pk)
