"""Bodies and answers of ``/access``: form only, rules are in the services."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from access.queries.decisions import MAX_IDS, Ground
from legato_payments.lib.api.fields import (
    EnumField,
    ExternalIdField,
    MoneyField,
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    UtcDateTimeField,
    UuidField,
)
from legato_payments.lib.api.serializers import StrictSerializer
from payments.api.serializers import LotUsedOutput, WalletOutput
from payments.enums import Tier

MAX_PRICE = 100_000
MAX_AUTHORS = 20


class ExpectedPriceInput(StrictSerializer):
    """What the reader was shown."""

    expected_price = StrictIntegerField(min_value=0, max_value=MAX_PRICE, required=False)


class SpendCoinsInput(ExpectedPriceInput):
    """What to open."""

    content_id = ExternalIdField()


class OptionOutput(serializers.Serializer[Any]):
    """A way to open what is closed."""

    type = serializers.ChoiceField(choices=["coins", "subscription"])
    coins = serializers.IntegerField(required=False)
    money = MoneyField(required=False)
    missing_coins = serializers.IntegerField(required=False)
    tier = serializers.CharField(required=False)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Only the members that say something."""
        full = super().to_representation(instance)
        return {name: value for name, value in full.items() if value is not None}


class DecisionOutput(serializers.Serializer[Any]):
    """May the reader open it, and why."""

    granted = serializers.BooleanField()
    ground = serializers.ChoiceField(choices=[ground.value for ground in Ground])
    content_id = serializers.CharField()
    expires_at = UtcDateTimeField(allow_null=True)
    options = OptionOutput(many=True)


class BoughtOutput(serializers.Serializer[Any]):
    """A chapter opened with coins; ``coins`` is 0 and ``lots`` empty when it was owned before."""

    transaction_id = UuidField(allow_null=True)
    content_id = serializers.CharField()
    coins = serializers.IntegerField()
    lots = LotUsedOutput(many=True)
    balance = WalletOutput()
    access = DecisionOutput()


class AccessChecksInput(StrictSerializer):
    """Up to 1,000 content ids; the answers come in their order."""

    content_ids = serializers.ListField(child=ExternalIdField(), min_length=1, max_length=MAX_IDS)


class AccessChecksOutput(serializers.Serializer[Any]):
    """One answer for each id, in the order asked."""

    results = DecisionOutput(many=True)


class TipInput(StrictSerializer):
    """Coins for a writer, with a few words perhaps."""

    recipient_id = ExternalIdField()
    coins = StrictIntegerField(min_value=1, max_value=1_000_000)
    content_id = ExternalIdField(required=False)
    message = StrictCharField(required=False, max_length=500, multiline=True)


class TipOutput(serializers.Serializer[Any]):
    """A tip that was sent."""

    transaction_id = UuidField()
    recipient_id = serializers.CharField()
    coins = serializers.IntegerField()
    balance = WalletOutput()


class EntitlementOutput(serializers.Serializer[Any]):
    """A right to read, and what it was given for."""

    content_id = serializers.CharField()
    transaction_id = UuidField(allow_null=True)
    coins = serializers.IntegerField()
    ground = serializers.SerializerMethodField()
    purchased_at = UtcDateTimeField(source="granted_at")
    expires_at = UtcDateTimeField(allow_null=True)
    refunded_at = UtcDateTimeField(source="revoked_at", allow_null=True)

    def get_ground(self, entitlement: Any) -> str:
        """As a decision names it."""
        return str(entitlement.ground).lower()


class AuthorInput(StrictSerializer):
    """A writer's share of one piece of content."""

    writer_id = ExternalIdField()
    share_bps = StrictIntegerField(min_value=1, max_value=10_000)


class ContentInput(StrictSerializer):
    """A chapter, as the content service describes it."""

    title = StrictCharField(max_length=200)
    writers = serializers.ListField(child=AuthorInput(), min_length=1, max_length=MAX_AUTHORS)
    price_coins = StrictIntegerField(min_value=0, max_value=MAX_PRICE, required=False)
    word_count = StrictIntegerField(min_value=0, max_value=10_000_000, required=False)
    published = StrictBooleanField()
    free = StrictBooleanField(required=False)
    required_tier = EnumField(Tier, required=False, allow_null=True)
    series_id = ExternalIdField(required=False, allow_null=True)
    position = StrictIntegerField(min_value=1, max_value=1_000_000, required=False, allow_null=True)

    form_rules = {
        "not": {
            "anyOf": [
                {"required": ["price_coins", "word_count"]},
                {
                    "required": ["free", "price_coins"],
                    "properties": {"free": {"enum": [False]}, "price_coins": {"enum": [0]}},
                },
            ]
        }
    }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One price at most, and each author once."""
        if "price_coins" in attrs and "word_count" in attrs:
            message = "Give price_coins or word_count, not both."
            raise serializers.ValidationError({"price_coins": message}, code="one_of")
        if attrs.get("free") is False and attrs.get("price_coins") == 0:
            message = "What is not free costs at least one coin."
            raise serializers.ValidationError({"price_coins": message}, code="min_value")
        names = [author["writer_id"] for author in attrs["writers"]]
        if len(names) != len(set(names)):
            message = "An author stands here twice."
            raise serializers.ValidationError({"writers": message}, code="duplicate")
        return attrs


class ContentItemInput(ContentInput):
    """One item of a bulk delivery."""

    content_id = ExternalIdField()


@extend_schema_field(serializers.ListField(child=ContentItemInput()))
class ContentItemsField(serializers.ListField):
    """Items that should be as ``ContentItemInput``; what they are is judged one by one."""

    child = serializers.JSONField(allow_null=True)


class ContentBulkInput(StrictSerializer):
    """Up to 1,000 chapters; each is judged by itself."""

    items = ContentItemsField(min_length=1, max_length=1_000)


class ContentOutput(serializers.Serializer[Any]):
    """A chapter, as readers meet it."""

    content_id = serializers.CharField()
    title = serializers.CharField()
    price_coins = serializers.IntegerField()
    free = serializers.BooleanField(source="is_free")
    published = serializers.BooleanField(source="is_published")
    required_tier = serializers.SerializerMethodField()
    series_id = serializers.SerializerMethodField()
    position = serializers.IntegerField(allow_null=True)

    def get_required_tier(self, content: Any) -> str | None:
        """In the API's words."""
        return content.required_tier.lower() or None

    def get_series_id(self, content: Any) -> str | None:
        """Nothing when it is in no series."""
        return content.series_id or None


class ItemErrorOutput(serializers.Serializer[Any]):
    """One fault of an item; the pointer starts at the item."""

    pointer = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class ContentResultOutput(serializers.Serializer[Any]):
    """What became of one item."""

    index = serializers.IntegerField()
    content_id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=["stored", "invalid"])
    price_coins = serializers.IntegerField(allow_null=True)
    errors = ItemErrorOutput(many=True)  # type: ignore[assignment]


class ContentBulkOutput(serializers.Serializer[Any]):
    """A result for each item, in the order sent."""

    results = ContentResultOutput(many=True)
