"""Changes of split rates that another person has to agree to."""

from datetime import datetime
from decimal import Decimal

from payments import approvals
from payments.approvals import Order, Target, wording
from payments.enums import Stream
from payments.models import ApprovalRequest
from payments.services.proposals import BaseChanged
from revenue.models import SplitRule, Writer
from revenue.services import splits

CHANGE_SPLIT_RULE = "revenue.change_split_rule"


def change_split_rule(
    *,
    stream: Stream,
    rate_bps: int,
    valid_from: datetime | None,
    actor: str,
    reason: str,
    now: datetime,
    level: str = "",
    writer_id: str | None = None,
    allow_override: bool = False,
) -> SplitRule | ApprovalRequest:
    """Give writers another part of a stream: everybody, a level, or one writer.

    Args:
        rate_bps: The writers' part, basis points.
        valid_from: From when on; none: from the moment it is approved.
        allow_override: A person says that the rate may lie outside the band.

    Raises:
        policies.StartsInThePast, splits.RateOutsideBand, audit.ReasonMissing: As ``splits.change``.
        approvals.AlreadyProposed: Somebody else proposes the same.
    """
    before = _rate_now(stream, level, writer_id, now)
    after = {
        "stream": stream.value,
        "level": level,
        "writer_id": writer_id,
        "rate_bps": rate_bps,
        "valid_from": valid_from.isoformat() if valid_from else None,
        "allow_override": allow_override,
    }
    whom = writer_id or (Writer.Level(level).label if level else "everybody")
    return approvals.propose(
        action=CHANGE_SPLIT_RULE,
        target=(
            Target("writer", writer_id)
            if writer_id
            else Target("split_rule", f"{stream}:{level or 'everybody'}")
        ),
        payload={"before": {"rate_bps": before}, "after": after},
        summary=f"{stream.label}, {whom}: {_percent(before)} → {_percent(rate_bps)},"
        f" {wording.starting(valid_from)}",
        maker=actor,
        reason=reason,
        effect=carry_out_split_rule,
        now=now,
    )


def carry_out_split_rule(order: Order) -> SplitRule:
    """Put the rate of a proposal in force.

    Raises:
        BaseChanged: Another rate is in force by now.
        policies.StartsInThePast: It was approved after it should have started.
        splits.RateOutsideBand: The band has changed since.
    """
    before, after = order.payload["before"], order.payload["after"]
    stream, level, writer_id = Stream(after["stream"]), after["level"], after["writer_id"]
    if _rate_now(stream, level, writer_id, order.now) != before["rate_bps"]:
        raise BaseChanged
    return splits.change(
        stream=stream,
        rate_bps=after["rate_bps"],
        valid_from=wording.moment(after["valid_from"]) or order.now,
        actor=order.maker,
        reason=order.reason[:200],
        now=order.now,
        level=level,
        writer_id=writer_id,
        allow_override=after["allow_override"],
    )


def _rate_now(stream: Stream, level: str, writer_id: str | None, now: datetime) -> int | None:
    rules = SplitRule.objects.filter(
        stream=stream, level=level, writer_id=writer_id, valid_from__lte=now
    )
    newest = rules.order_by("-valid_from", "-id").first()
    return newest.rate_bps if newest else None


def _percent(bps: int | None) -> str:
    return "none" if bps is None else f"{Decimal(bps).scaleb(-2).normalize():f} %"
