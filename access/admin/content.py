"""The catalogue, as the content service describes it."""

from collections.abc import Iterator

from django.contrib import admin

from access.models import Content
from legato_payments.lib.admin import RecordAdmin
from legato_payments.lib.pages import cells, columns
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.tables import Section, Table, number
from revenue.models import Authorship


@admin.display(description="Price")
def number_price(content: Content) -> str:
    """What it costs now."""
    return "free" if content.is_free else cells.coins(content.price_coins)


@admin.display(description="State")
def state(content: Content) -> str:
    """Whether readers see it."""
    if content.is_published:
        return cells.mark("Published", Tone.GOOD)
    return cells.mark("Not published")


@admin.display(description="Opened by")
def tier(content: Content) -> str:
    """The lowest subscription tier that opens it."""
    return content.get_required_tier_display() or "Coins only"


@admin.register(Content)
class ContentAdmin(RecordAdmin):
    """Written by the content service; sales keep the price they were made at."""

    list_display = [
        "content_id",
        columns.words("title"),
        number_price,
        state,
        columns.text("series_id", "Series"),
        columns.count("position"),
        columns.moment("updated_at"),
    ]
    list_filter = ["is_published", "is_free"]
    search_fields = ["pk", "content_id__startswith", "series_id"]
    search_help_text = "Content id or its beginning, or the series"
    ordering = ["content_id"]
    nothing_yet = "The catalogue is empty. The content service fills it."

    facts = (
        "content_id",
        columns.words("title"),
        state,
        number_price,
        tier,
        columns.count("word_count", "Words"),
        columns.text("series_id", "Series"),
        columns.count("position"),
        columns.moment("created_at"),
        columns.moment("updated_at"),
    )

    def sections(self, obj: Content) -> Iterator[Section]:
        """Who wrote it, now and before."""
        authorships = Authorship.objects.filter(content_id=obj.pk).select_related("writer")
        yield Table(
            title="Authors",
            headings=["Writer", number("Share"), "From", "Until"],
            rows=[
                [
                    cells.link(authorship.writer, authorship.writer_id),
                    cells.percent(authorship.share_bps),
                    cells.moment(authorship.valid_from),
                    cells.moment(authorship.valid_to) if authorship.valid_to else "now",
                ]
                for authorship in authorships.order_by("-valid_from", "writer_id")[:50]
            ],
            empty="Nobody is known to have written it.",
        )
