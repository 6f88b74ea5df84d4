"""packages: new terms are a new version, and earlier purchases keep theirs"""

from typing import Any

import pytest

from legato_payments.lib.errors import DomainError
from legato_payments.lib.ids import uuid7
from legato_payments.lib.money import Money
from payments.models import CoinLot, CoinPackage, CoinPackageVersion
from payments.services import packages
from tests import factories
from tests.factories import NOW
from tests.payments import books_of

pytestmark = pytest.mark.django_db

PRICES = {"USD": 1_990_000, "CAD": 2_790_000}


def create(name: str = "Weekend Pack", **terms: Any) -> CoinPackage:
    described = packages.Terms(**{"coins": 300, "bonus_percent": 5, "prices": PRICES, **terms})
    return packages.create(
        name=name, terms=described, is_active=True, actor="service:shop", now=NOW, reason="trial"
    )


def change(package: CoinPackage, **changes: Any) -> CoinPackage:
    arguments = {"expected_version": 1, "actor": "staff:1", "now": NOW, **changes}
    return packages.change(package_id=package.pk, **arguments)


class TestCreate:
    def test_puts_the_first_version_on_the_shelf(self) -> None:
        package = create()

        version = package.current
        assert version is not None
        assert (version.number, version.coins, version.bonus_coins) == (1, 300, 15)
        assert (version.created_by, version.reason) == ("service:shop", "trial")
        prices = version.prices.order_by("currency").values_list("currency", "price_micros")
        assert list(prices) == [("CAD", 2_790_000), ("USD", 1_990_000)]

    @pytest.mark.parametrize(
        ("coins", "percent", "bonus"), [(100, 0, 0), (99, 1, 0), (333, 10, 33), (7, 100, 7)]
    )
    def test_rounds_the_bonus_down_to_whole_coins(
        self, coins: int, percent: int, bonus: int
    ) -> None:
        version = create(coins=coins, bonus_percent=percent).current

        assert version is not None
        assert (version.bonus_coins, version.total_coins) == (bonus, coins + bonus)

    def test_is_written_down(self) -> None:
        package = create()

        [entry] = books_of.audit("payments.package.created")
        assert (entry.actor, entry.object_id) == ("service:shop", str(package.pk))
        assert entry.after == {
            "name": "Weekend Pack",
            "is_active": True,
            "version": 1,
            "coins": 300,
            "bonus_percent": 5,
            "prices": {"CAD": "2.79", "USD": "1.99"},
        }

    @pytest.mark.parametrize(
        ("arguments", "refusal"),
        [
            ({"name": "Starter Pack"}, packages.NameTaken),
            ({"prices": {"CAD": 1_000_000}}, packages.PriceMissing),
            ({"prices": {}}, packages.PriceMissing),
            ({"prices": {"USD": 1_995_000}}, packages.PriceFractional),
            ({"prices": {"USD": 1_990_000, "NGN": 2_700_000_001}}, packages.PriceFractional),
        ],
    )
    def test_refuses_a_taken_name_and_a_price_nobody_could_pay(
        self, arguments: dict[str, Any], refusal: type[DomainError]
    ) -> None:
        with books_of.nothing_changed(), pytest.raises(refusal):
            create(**arguments)

        assert CoinPackage.objects.count() == 5


class TestChange:
    def test_adds_a_version_and_keeps_the_old_one(self) -> None:
        package = create()
        first = package.current

        changed = change(package, terms=packages.Terms(300, 10, {"USD": 2_490_000}))

        second = changed.current
        assert first is not None
        assert second is not None
        assert (second.number, second.bonus_coins) == (2, 30)
        first.refresh_from_db()
        assert (first.number, first.bonus_coins) == (1, 15)
        assert first.prices.get(currency="USD").price_micros == 1_990_000
        assert second.prices.get().price_micros == 2_490_000

    def test_a_new_name_alone_keeps_the_terms(self) -> None:
        changed = change(create(), name="Sunday Pack")

        assert (changed.name, changed.is_active) == ("Sunday Pack", True)
        version = changed.current
        assert version is not None
        assert packages.terms_of(version) == packages.Terms(300, 5, PRICES)

    def test_takes_it_off_the_shelf_and_puts_it_back(self) -> None:
        package = create()

        assert change(package, is_active=False).is_active is False
        assert change(package, expected_version=2, is_active=True).is_active is True

    def test_is_written_down_with_before_and_after(self) -> None:
        package = create()

        change(package, name="Sunday Pack", reason="renamed")

        [entry] = books_of.audit("payments.package.changed")
        assert entry.before is not None
        assert entry.after is not None
        assert (entry.before["name"], entry.after["name"]) == ("Weekend Pack", "Sunday Pack")
        assert (entry.before["version"], entry.after["version"]) == (1, 2)
        assert (entry.actor, entry.reason) == ("staff:1", "renamed")

    @pytest.mark.parametrize(
        ("changes", "refusal"),
        [
            ({"expected_version": 2}, packages.VersionStale),
            ({"expected_version": 0}, packages.VersionStale),
            ({"name": "Starter Pack"}, packages.NameTaken),
            ({"terms": packages.Terms(300, 0, {"NGN": 10_000})}, packages.PriceMissing),
            ({"terms": packages.Terms(300, 0, {"USD": 999})}, packages.PriceFractional),
        ],
    )
    def test_a_refused_change_leaves_everything(
        self, changes: dict[str, Any], refusal: type[DomainError]
    ) -> None:
        package = create()

        with books_of.nothing_changed(), pytest.raises(refusal):
            change(package, **changes)

        package.refresh_from_db()
        assert package.name == "Weekend Pack"

    def test_an_unknown_package_cannot_be_changed(self) -> None:
        with pytest.raises(packages.PackageUnknown):
            change(CoinPackage(id=uuid7()))

    def test_its_own_name_is_not_taken(self) -> None:
        assert change(create(), name="Weekend Pack").name == "Weekend Pack"


def test_a_purchase_keeps_the_terms_it_was_started_with() -> None:
    package = create()
    purchase = factories.start_purchase(name="Weekend Pack")
    change(package, terms=packages.Terms(30, 0, {"USD": 9_990_000}))

    factories.pay(purchase)

    lot = CoinLot.objects.get()
    assert (lot.coins, lot.value_micros) == (315, 1_990_000)
    assert purchase.package_version == CoinPackageVersion.objects.get(package=package, number=1)


def test_the_next_purchase_has_the_new_terms() -> None:
    change(create(), terms=packages.Terms(30, 0, {"USD": 9_990_000}))

    purchase = factories.start_purchase(name="Weekend Pack")

    assert (purchase.total_coins, purchase.price_micros) == (30, 9_990_000)


def test_the_seeded_packages_are_those_of_the_rules() -> None:
    shown = [
        (package.name, package.current.coins, package.current.bonus_coins)
        for package in CoinPackage.objects.select_related("current").order_by("current__coins")
        if package.current
    ]

    assert shown == [
        ("Starter Pack", 100, 0),
        ("Reader Pack", 500, 25),
        ("Enthusiast Pack", 1_200, 120),
        ("Premium Pack", 2_500, 375),
        ("Ultimate Pack", 5_500, 1_100),
    ]
    assert CoinPackage.objects.get(is_reference=True).name == "Starter Pack"


def test_a_listed_price_needs_no_rate() -> None:
    version = factories.package("Starter Pack").current
    assert version is not None

    price = packages.price(version=version, currency="NGN", now=NOW)

    assert price == Money.parse("1400", "NGN")
