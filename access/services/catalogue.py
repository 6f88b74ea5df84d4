"""The catalogue: what the content service tells us about chapters."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.transaction import atomic

from access.models import Content
from legato_payments.lib.errors import Conflict, FieldError, Invalid, Missing
from payments.models import Policy
from payments.queries import policies
from revenue.services import authorships


class ContentUnknown(Missing):
    """No content has this id, or readers cannot see it."""

    title = "There is no such content."


class PriceChanged(Conflict):
    code = "price_changed"
    title = "The price is another one by now. Nothing was charged."


class PriceUnclear(Invalid):
    code = "price_unclear"
    title = "Give a price in coins, or a number of words to compute it from."


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """One chapter, as the content service describes it.

    Args:
        shares: Basis points by writer id, summing to 10,000.
        price_coins: Either this,
        word_count: or what the price is computed from.
        is_free: Nothing said: the first chapters of a series are free.
        position: In the series, from 1.
    """

    content_id: str
    title: str
    shares: dict[str, int] = field(default_factory=dict)
    price_coins: int | None = None
    word_count: int | None = None
    is_published: bool = True
    is_free: bool | None = None
    required_tier: str = ""
    series_id: str = ""
    position: int | None = None


@dataclass(frozen=True, slots=True)
class PriceRule:
    """How a chapter without a price of its own is priced (rules.md, rule 37)."""

    words_per_coin: int
    min_coins: int
    max_coins: int
    free_chapters: int

    def is_free(self, description: Description) -> bool:
        """What was said; else whether it is one of the first chapters of a series."""
        if description.is_free is not None:
            return description.is_free
        if description.price_coins is not None or not description.series_id:
            return description.price_coins == 0
        return description.position is not None and description.position <= self.free_chapters

    def coins(self, description: Description) -> int:
        """The price in coins; 0 when it is free.

        Raises:
            PriceUnclear: Neither a price nor a number of words.
        """
        if self.is_free(description):
            return 0
        if description.price_coins is not None:
            return description.price_coins
        if description.word_count is None:
            detail = "price_coins or word_count is required."
            raise PriceUnclear(errors=[FieldError("/price_coins", "price_unclear", detail)])
        by_words = description.word_count // self.words_per_coin
        return max(self.min_coins, min(by_words, self.max_coins))


def price_rule(*, on: datetime) -> PriceRule:
    """The price rule in force at ``on``."""
    name = Policy.Name
    value = policies.values(
        [
            name.WORDS_PER_COIN,
            name.CHAPTER_MIN_COINS,
            name.CHAPTER_MAX_COINS,
            name.FREE_CHAPTERS,
        ],
        on=on,
    )
    return PriceRule(
        words_per_coin=value[name.WORDS_PER_COIN],
        min_coins=value[name.CHAPTER_MIN_COINS],
        max_coins=value[name.CHAPTER_MAX_COINS],
        free_chapters=value[name.FREE_CHAPTERS],
    )


@atomic
def put(*, descriptions: Sequence[Description], now: datetime) -> list[Content]:
    """Take over what the content service says of some chapters: all of them, or none.

    Sales already made keep their price and their authors.

    Raises:
        authorships.SharesIncomplete: Shares do not sum to 10,000.
        PriceUnclear: Neither a price nor a number of words.
    """
    rule = price_rule(on=now)
    rows = {
        description.content_id: _row(description, rule, now=now) for description in descriptions
    }
    for description in descriptions:
        authorships.check(description.shares)
    # In the order of their ids, so that two deliveries that overlap queue instead of deadlocking.
    Content.objects.bulk_create(
        [rows[content_id] for content_id in sorted(rows)],
        update_conflicts=True,
        unique_fields=["content_id"],
        update_fields=[
            "title",
            "price_coins",
            "word_count",
            "is_free",
            "is_published",
            "required_tier",
            "series_id",
            "position",
            "updated_at",
        ],
    )
    authorships.put(shares={d.content_id: d.shares for d in descriptions}, now=now)
    return [rows[description.content_id] for description in descriptions]


def _row(description: Description, rule: PriceRule, *, now: datetime) -> Content:
    coins = rule.coins(description)
    return Content(
        content_id=description.content_id,
        title=description.title,
        price_coins=coins,
        word_count=description.word_count,
        is_free=coins == 0,
        is_published=description.is_published,
        required_tier=description.required_tier,
        series_id=description.series_id,
        position=description.position,
        created_at=now,
        updated_at=now,
    )
