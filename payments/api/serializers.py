"""Bodies and answers of ``/payments``: form only, rules are in the services."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.validators import EmailValidator, RegexValidator
from rest_framework import serializers

from legato_payments.lib.api.fields import (
    AmountField,
    CurrencyField,
    EnumField,
    MoneyField,
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    UtcDateTimeField,
    UuidField,
)
from legato_payments.lib.api.serializers import PageQuery, StrictSerializer
from payments.enums import Currency, LotOrigin, Provider

COUNTRY = RegexValidator(r"^[A-Z]{2}\Z", "Must be two capital letters, ISO 3166-1.")
REGION = RegexValidator(r"^[A-Z0-9]{1,3}\Z", "Must be the part after the dash, ISO 3166-2.")

TRANSACTION_TYPES = [
    "coin_purchase",
    "content_purchase",
    "tip",
    "refund",
    "promo",
    "expiry",
    "gift",
    "transfer",
    "subscription",
    "gift_card",
    "loyalty",
    "adjustment",
]
PURCHASE_STATUSES = ["pending", "succeeded", "failed"]
TRANSACTION_STATUSES = [
    "pending",
    "succeeded",
    "failed",
    "expired",
    "refunded",
    "partially_refunded",
    "disputed",
]


class CurrencyQuery(StrictSerializer):
    """``?currency=``: which price stands in ``price``."""

    currency = CurrencyField(default=str(Currency.USD))


class PricesInput(StrictSerializer):
    """A price list: decimal strings by currency."""

    USD = AmountField()
    CAD = AmountField(required=False)
    NGN = AmountField(required=False)


class PackageInput(StrictSerializer):
    """A new coin package."""

    name = StrictCharField(max_length=64)
    coins = StrictIntegerField(min_value=1, max_value=1_000_000)
    bonus_percent = StrictIntegerField(min_value=0, max_value=100, default=0)
    prices = PricesInput()
    active = StrictBooleanField(default=True)


class PackagePatch(StrictSerializer):
    """What changes of a package; the rest stays."""

    name = StrictCharField(max_length=64, required=False)
    coins = StrictIntegerField(min_value=1, max_value=1_000_000, required=False)
    bonus_percent = StrictIntegerField(min_value=0, max_value=100, required=False)
    prices = PricesInput(required=False)
    active = StrictBooleanField(required=False)
    reason = StrictCharField(max_length=200, required=False)


class PricesOutput(serializers.Serializer[Any]):
    """Decimal strings by currency; a currency without a usable rate is null."""

    USD = AmountField(allow_null=True)
    CAD = AmountField(allow_null=True)
    NGN = AmountField(allow_null=True)


class PackageOutput(serializers.Serializer[Any]):
    """A coin package with its prices."""

    id = UuidField()
    name = StrictCharField()
    coins = serializers.IntegerField()
    bonus_percent = serializers.IntegerField()
    bonus_coins = serializers.IntegerField()
    total_coins = serializers.IntegerField()
    price = MoneyField()
    prices = PricesOutput()
    money_per_coin = MoneyField()
    active = serializers.BooleanField()
    version = serializers.IntegerField()


class WaitingOutput(serializers.Serializer[Any]):
    """What another person has to agree to first."""

    approval_id = UuidField()


class RateOutput(serializers.Serializer[Any]):
    """How much of ``quote`` one ``base`` buys."""

    base = serializers.CharField()
    quote = serializers.CharField()
    rate = serializers.SerializerMethodField()
    as_of = serializers.DateField()
    source = serializers.CharField()  # type: ignore[assignment]

    def get_rate(self, row: Any) -> str:
        """A decimal string without an exponent."""
        return f"{row.rate.normalize():f}"


class WholeListOutput(serializers.Serializer[Any]):
    """A list that one page holds: both links are null."""

    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class PackageListOutput(WholeListOutput):
    """The packages on sale."""

    results = PackageOutput(many=True)


class RateListOutput(WholeListOutput):
    """The newest rates."""

    results = RateOutput(many=True)


class ConsentInput(StrictSerializer):
    """What the reader agreed to about the right of withdrawal."""

    immediate_delivery = StrictBooleanField()
    acknowledged = StrictBooleanField()


class PurchaseCoinsInput(StrictSerializer):
    """A purchase of a package, or of an exact number of coins."""

    package_id = UuidField(required=False)
    coins = StrictIntegerField(min_value=1, max_value=1_000_000, required=False)
    currency = CurrencyField()
    country = StrictCharField(validators=[COUNTRY], required=False)
    region = StrictCharField(validators=[REGION], required=False)
    return_url = StrictCharField(max_length=500, required=False)
    consent = ConsentInput(required=False)
    save_payment_method = StrictBooleanField(required=False)
    payment_method_id = UuidField(required=False)

    form_rules = {"oneOf": [{"required": ["package_id"]}, {"required": ["coins"]}]}

    def validate_return_url(self, value: str) -> str:
        """Only to our own front ends: an open redirect would be a phisher's gift."""
        origins = [f"{origin}/" for origin in settings.RETURN_URL_ORIGINS]
        if not any(f"{value}/".startswith(origin) for origin in origins):
            raise serializers.ValidationError("Not an address of ours.", code="foreign_origin")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Exactly one of ``package_id`` and ``coins``."""
        if ("package_id" in attrs) == ("coins" in attrs):
            message = "Give exactly one of package_id and coins."
            raise serializers.ValidationError({"package_id": message}, code="one_of")
        return attrs


class ActionOutput(serializers.Serializer[Any]):
    """What the reader does to pay."""

    type = serializers.ChoiceField(choices=["redirect", "client_secret"])
    url = serializers.CharField(required=False)
    client_secret = serializers.CharField(required=False)
    publishable_key = serializers.CharField(required=False)


class PurchaseOutput(serializers.Serializer[Any]):
    """A purchase just started."""

    transaction_id = UuidField()
    status = serializers.ChoiceField(choices=PURCHASE_STATUSES)
    gateway = serializers.CharField()
    total = MoneyField()
    tax = MoneyField()
    coins = serializers.IntegerField()
    action = ActionOutput(allow_null=True)


class ConfirmInput(StrictSerializer):
    """Which purchase to ask about."""

    transaction_id = UuidField()


class WalletOutput(serializers.Serializer[Any]):
    """What the wallet holds after a movement."""

    coins = serializers.IntegerField()
    purchased_coins = serializers.IntegerField(source="purchased")
    promo_coins = serializers.IntegerField(source="promo")
    held_coins = serializers.IntegerField(source="held")


class ConfirmOutput(serializers.Serializer[Any]):
    """How a purchase stands."""

    transaction_id = UuidField()
    status = serializers.ChoiceField(choices=PURCHASE_STATUSES)
    balance = WalletOutput()


class ExpiringOutput(serializers.Serializer[Any]):
    """Promotional coins that end at a time."""

    coins = serializers.IntegerField()
    expires_at = UtcDateTimeField()


class LifetimeOutput(serializers.Serializer[Any]):
    """Coins moved since the wallet exists."""

    purchased = serializers.IntegerField()
    bonus = serializers.IntegerField()
    spent = serializers.IntegerField()
    tipped = serializers.IntegerField()
    received = serializers.IntegerField()
    refunded = serializers.IntegerField()
    expired = serializers.IntegerField()


class BalanceOutput(serializers.Serializer[Any]):
    """A reader's coins. ``coins`` can be spent, ``held_coins`` are frozen besides them."""

    user_id = serializers.CharField()
    coins = serializers.IntegerField()
    purchased_coins = serializers.IntegerField()
    promo_coins = serializers.IntegerField()
    held_coins = serializers.IntegerField()
    money_equivalent = MoneyField(allow_null=True)
    expiring = ExpiringOutput(many=True)
    lifetime = LifetimeOutput()


class TransactionsQuery(PageQuery):
    """Filters of a history; ``from`` is included, ``to`` is not."""

    type = serializers.ChoiceField(choices=TRANSACTION_TYPES, required=False)
    from_ = UtcDateTimeField(required=False)
    to = UtcDateTimeField(required=False)


class TransactionOutput(serializers.Serializer[Any]):
    """One line of a reader's history. ``coins`` is signed: minus is out."""

    id = UuidField()
    type = serializers.ChoiceField(choices=TRANSACTION_TYPES)
    status = serializers.ChoiceField(choices=TRANSACTION_STATUSES)
    coins = serializers.IntegerField()
    money = MoneyField(allow_null=True)
    content_id = serializers.CharField(allow_null=True)
    counterparty_id = serializers.CharField(allow_null=True)
    gateway = serializers.CharField(allow_null=True)
    created_at = UtcDateTimeField()
    settled_at = UtcDateTimeField(allow_null=True)
    related_id = UuidField(allow_null=True)


class ProfileInput(StrictSerializer):
    """A reader's payment profile, whole."""

    country = StrictCharField(validators=[COUNTRY], required=False, allow_null=True)
    region = StrictCharField(validators=[REGION], required=False, allow_null=True)
    currency = CurrencyField(default=str(Currency.USD))
    birth_year = StrictIntegerField(min_value=1900, required=False, allow_null=True)
    preferred_gateway = EnumField(Provider, required=False, allow_null=True)
    # Something at something; the user service has verified it.
    email = StrictCharField(
        max_length=254, validators=[EmailValidator()], required=False, allow_null=True
    )

    def validate_birth_year(self, value: int | None) -> int | None:
        """Nobody is born next year."""
        if value is not None and value > datetime.now(UTC).year:
            raise serializers.ValidationError("Lies in the future.", code="max_value")
        return value


class ProfileOutput(serializers.Serializer[Any]):
    """A reader's payment profile."""

    user_id = serializers.CharField()
    country = serializers.CharField(allow_null=True)
    region = serializers.CharField(allow_null=True)
    currency = serializers.CharField()
    birth_year = serializers.IntegerField(allow_null=True)
    preferred_gateway = serializers.CharField(allow_null=True)
    email = serializers.CharField(allow_null=True)


class LotUsedOutput(serializers.Serializer[Any]):
    """Coins taken from one lot, and the dollars they released."""

    lot_id = serializers.IntegerField()
    origin = EnumField(LotOrigin)
    coins = serializers.IntegerField()
    value = MoneyField()
