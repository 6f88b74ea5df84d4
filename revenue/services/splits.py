"""Split rules: what part of a stream is the writers'."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q
from django.db.transaction import atomic

from legato_payments.lib.errors import Refused
from payments import audit
from payments.enums import Stream
from payments.services import policies
from revenue.models import SplitRule, StreamTerms, Writer


class RateOutsideBand(Refused):
    code = "rate_outside_band"
    title = "The rate is outside the agreed band."


class RulesMissing(Exception):
    """No default rule or terms for a stream: a broken installation, never an answer to a user."""


@atomic
def change(
    *,
    stream: Stream,
    rate_bps: int,
    valid_from: datetime,
    actor: str,
    reason: str,
    now: datetime,
    level: str = "",
    writer_id: str | None = None,
    allow_override: bool = False,
) -> SplitRule:
    """Put a new rate in force from ``valid_from`` on, for everybody, a level, or one writer.

    Args:
        rate_bps: The writers' part, basis points.
        allow_override: The person confirmed that the rate may lie outside the band.

    Raises:
        policies.StartsInThePast: ``valid_from`` lies before ``now``.
        RateOutsideBand: And no override is asked for.
        audit.ReasonMissing: An override without a reason.
    """
    if valid_from < now:
        raise policies.StartsInThePast("What was earned stays earned: a rate starts now or later.")
    terms = terms_of(stream, on=valid_from)
    outside = not terms.min_bps <= rate_bps <= terms.max_bps
    if outside and not allow_override:
        raise RateOutsideBand(
            f"{rate_bps} is outside {terms.min_bps} to {terms.max_bps} basis points.",
            min_bps=terms.min_bps,
            max_bps=terms.max_bps,
        )
    if outside and not reason:
        raise audit.ReasonMissing("A rate outside the band needs a reason.")
    rule = SplitRule.objects.create(
        stream=stream,
        level=level,
        writer_id=writer_id,
        rate_bps=rate_bps,
        is_override=outside,
        valid_from=valid_from,
        created_at=now,
        created_by=actor,
        reason=reason,
    )
    audit.record(
        actor=actor,
        action="revenue.split_rule.changed",
        object_type="split_rule",
        object_id=rule.pk,
        now=now,
        after={
            "stream": stream,
            "level": level,
            "writer_id": writer_id,
            "rate_bps": rate_bps,
            "valid_from": valid_from.isoformat(),
            "is_override": outside,
        },
        reason=reason,
    )
    return rule


def terms_of(stream: Stream, *, on: datetime) -> StreamTerms:
    """The band and the holds of a stream in force at ``on``."""
    rows = StreamTerms.objects.filter(stream=stream, valid_from__lte=on)
    terms = rows.order_by("-valid_from", "-id").first()
    if terms is None:
        raise RulesMissing(f"no terms for {stream}")
    return terms


def rules_for(writers: Iterable[Writer], *, stream: Stream, on: datetime) -> dict[str, SplitRule]:
    """The rule of each writer at ``on``: the writer's own, the level's, or the stream's default."""
    writers = list(writers)
    rows = SplitRule.objects.filter(stream=stream, valid_from__lte=on).filter(
        Q(writer__in=writers) | Q(writer__isnull=True)
    )
    # Oldest first, so that the newest of each target is the one that stays.
    newest: dict[tuple[str | None, str], SplitRule] = {
        (rule.writer_id, rule.level): rule for rule in rows.order_by("valid_from", "id")
    }
    found: dict[str, SplitRule] = {}
    for writer in writers:
        candidates = [(writer.pk, ""), (None, writer.level), (None, "")]
        rule = next((newest[target] for target in candidates if target in newest), None)
        if rule is None:
            raise RulesMissing(f"no split rule for {stream}")
        found[writer.pk] = rule
    return found
