"""Coin packages, as versions. ``revenue.admin`` registers the list: it knows what writers take."""

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from legato_payments.lib.admin import ShortListAdmin, button
from legato_payments.lib.errors import DomainError
from legato_payments.lib.money import Money
from legato_payments.lib.pages import cells, columns, people
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.columns import Column
from legato_payments.lib.pages.proposals import MicrosField, ProposalForm, ReasonField
from legato_payments.lib.pages.tables import Section, Table, number
from payments.admin.approvals import or_waiting, waiting_on
from payments.admin.audit import history_of
from payments.enums import Currency
from payments.models import CoinPackage, CoinPackageVersion
from payments.queries import packages as package_queries
from payments.services import packages, proposals


class PriceField(MicrosField):
    """A price, to the minor unit."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=Decimal("0.01"), max_digits=12, decimal_places=2, **kwargs)


class PackageForm(ProposalForm):
    """The terms of a package; sent back, they become its next version."""

    told_at = {packages.NameTaken: "name", packages.PriceMissing: "price_usd"}

    name = forms.CharField(max_length=64)
    coins = forms.IntegerField(min_value=1, max_value=1_000_000, help_text="Without the bonus.")
    bonus_percent = forms.IntegerField(
        min_value=0, max_value=100, initial=0, help_text="Of the coins, rounded down to whole ones."
    )
    price_usd = PriceField(label="Price in USD")
    price_cad = PriceField(
        label="Price in CAD",
        required=False,
        help_text="Left empty: converted from US dollars, rounded up to the cent.",
    )
    price_ngn = PriceField(
        label="Price in NGN",
        required=False,
        help_text="Left empty: converted from US dollars, rounded up to 50 naira.",
    )
    is_active = forms.BooleanField(label="On sale", required=False, initial=True)
    reason = ReasonField()

    def arguments(self) -> dict[str, Any]:
        """The terms, the prices that were typed among them, and the rest."""
        data = super().arguments()
        typed = {currency: data.pop(f"price_{currency.lower()}") for currency in Currency}
        prices = {str(currency): micros for currency, micros in typed.items() if micros is not None}
        terms = packages.Terms(
            coins=data.pop("coins"), bonus_percent=data.pop("bonus_percent"), prices=prices
        )
        return {"terms": terms, **data}


class PackageChangeForm(PackageForm):
    """The same, about the version that the person saw."""

    version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *, package: CoinPackage, **kwargs: Any) -> None:
        self.package = package
        super().__init__(**{**kwargs, "initial": _initial(package)})

    def arguments(self) -> dict[str, Any]:
        """The same, and the version that the person saw."""
        data = super().arguments()
        return {"expected_version": data.pop("version"), **data}

    def clean(self) -> dict[str, Any]:
        """Refuse a version that would differ in nothing."""
        if not set(self.changed_data) - {"reason", "version"}:
            self.add_error(None, "Nothing differs from the version in force.")
        return self.cleaned_data

    def refuse(self, refusal: DomainError) -> None:
        """Show the refusal; after a stale version, let the person send it again knowing the new."""
        if not isinstance(refusal, packages.VersionStale):
            super().refuse(refusal)
            return
        newest = CoinPackage.objects.select_related("current").get(pk=self.package.pk).current
        assert newest is not None
        self.data = {**dict(self.data.items()), "version": str(newest.number)}
        whose = people.name_of(newest.created_by)
        self.add_error(
            None,
            f"{refusal} It is at version {newest.number} now, by {whose}:"
            f" “{newest.reason}”. Nothing was saved, and what you typed is still here. Compare it"
            f" with version {newest.number} below; save again to put yours after it.",
        )


def _initial(package: CoinPackage) -> dict[str, Any]:
    version = package.current
    assert version is not None
    prices = {
        f"price_{price.currency.lower()}": Decimal(
            Money(price.price_micros, price.currency).amount()
        )
        for price in version.prices.all()
    }
    return {
        "name": package.name,
        "coins": version.coins,
        "bonus_percent": version.bonus_percent,
        "is_active": package.is_active,
        "version": version.number,
        **prices,
    }


def listed_price(version: CoinPackageVersion | None, currency: str) -> Money | None:
    """The price in a currency, unless it is converted."""
    prices = version.prices.all() if version else ()
    return next((Money(p.price_micros, currency) for p in prices if p.currency == currency), None)


def price_column(currency: str) -> Column:
    """What a package costs in one currency."""

    def show(package: CoinPackage) -> str:
        price = listed_price(package.current, currency)
        return cells.figure(price.micros, currency, digits=2) if price else "converted"

    return columns.column(f"{columns.NUMBER}price_{currency}", currency, show)


@admin.display(description="Version")
def number_version(package: CoinPackage) -> str:
    """The number of the version in force."""
    return str(package.current.number) if package.current else cells.EMPTY


@admin.display(description="Coins")
def number_coins(package: CoinPackage) -> str:
    """What it holds, and what comes on top."""
    return _coins(package.current) if package.current else cells.EMPTY


@admin.display(description="State")
def state(package: CoinPackage) -> str:
    """Whether readers see it."""
    return cells.mark("On sale", Tone.GOOD) if package.is_active else cells.mark("Withdrawn")


@admin.display(description="Reference")
def reference(package: CoinPackage) -> str:
    """Whether its price values a coin."""
    if not package.is_reference:
        return "No"
    return "Yes: its coin price values coins, and exact top-ups are sold at it"


class PackageAdmin(ShortListAdmin):
    """A list, a page with every version, and two forms that make versions."""

    list_display = [
        "name",
        state,
        number_version,
        number_coins,
        *(price_column(currency) for currency in Currency),
    ]
    search_fields = ["pk", "name__startswith"]
    search_help_text = "Beginning of the name"
    nothing_yet = "No packages yet. “New package” puts the first on the shelf."
    actions_list = ["create"]
    actions_detail = ["change_terms"]

    facts = (
        "name",
        state,
        number_version,
        number_coins,
        *(price_column(currency) for currency in Currency),
        reference,
        columns.copyable("id"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[CoinPackage]:
        """Smallest first, with versions and prices."""
        return package_queries.with_prices()

    def sections(self, obj: CoinPackage) -> Iterator[Section]:
        """What waits, and every version there ever was."""
        if waiting := waiting_on("coin_package", obj.pk):
            yield waiting
        yield versions_of(obj)
        yield history_of("coin_package", obj.pk)

    @button("New package", path="new", right="add")
    def create(self, request: HttpRequest) -> HttpResponse:
        """Put a new package on the shelf."""
        return self.proposal_page(
            request,
            PackageForm,
            title="New coin package",
            intro="A package that is on sale from the start waits for another person first.",
            submit="Create version 1",
            call=proposals.create_package,
            told=partial(or_waiting, done="{} is on the shelf, version 1, and not on sale yet."),
        )

    @button("Change…", path="change-terms", right="change")
    def change_terms(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Propose the next version of a package."""
        package: CoinPackage = self.find(request, object_id)
        return self.proposal_page(
            request,
            partial(PackageChangeForm, package=package),
            title=f"Change {package.name}",
            intro="This makes a new version. Purchases already started keep theirs. What readers"
            " would pay or get waits for another person first.",
            submit="Propose a new version",
            call=partial(proposals.change_package, package_id=package.pk),
            told=partial(or_waiting, done="{} has a new version."),
            row=package,
            sections=[versions_of(package)],
        )


def versions_of(package: CoinPackage) -> Table:
    """The history of a package, newest first."""
    versions = package.versions.prefetch_related("prices").order_by("-number")
    return Table(
        title="Versions",
        headings=[
            number("Version"),
            number("Coins"),
            number("Bonus"),
            *(number(currency) for currency in Currency),
            "From",
            "By",
            "Reason",
        ],
        rows=[
            [
                version.number,
                _coins(version),
                f"{version.bonus_percent} %" if version.bonus_percent else cells.EMPTY,
                *(_price(version, currency) for currency in Currency),
                cells.moment(version.created_at),
                people.name_of(version.created_by),
                version.reason or cells.EMPTY,
            ]
            for version in versions
        ],
    )


def _coins(version: CoinPackageVersion) -> str:
    bonus = f" + {version.bonus_coins:,}" if version.bonus_coins else ""
    return f"{version.coins:,}{bonus}"


def _price(version: CoinPackageVersion, currency: str) -> str:
    price = listed_price(version, currency)
    return cells.figure(price.micros, currency, digits=2) if price else "converted"
