"""Two people: what one proposes, another decides."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from legato_payments.lib.append_only import AppendOnly
from legato_payments.lib.ids import uuid7
from legato_payments.lib.jobs import DueQuerySet, DueRow

FOUR_EYES = (
    "payments.adjust_wallet",
    "payments.change_approval_rule",
    "payments.change_package",
    "payments.correct_gateway",
    "payments.set_rate",
    "payments.write_off_debt",
    "revenue.change_split_rule",
)
"""Actions that always need another person (backoffice.md, rule 4.3): no rule says 0 for them."""


class ApprovalRuleQuerySet(models.QuerySet["ApprovalRule"]):
    """Rules, in the words of the domain."""


class ApprovalRule(models.Model):
    """How many people an action needs from an amount on. Never edited: a new row supersedes."""

    action = models.CharField(max_length=64, help_text="For example payments.change_package.")
    from_micros = models.BigIntegerField(
        default=0, help_text="USD micros; the rule with the highest amount reached counts."
    )
    needed = models.PositiveSmallIntegerField(help_text="0: no approval needed.")
    valid_from = models.DateTimeField()
    created_by = models.CharField(max_length=80)
    reason = models.CharField(max_length=200, blank=True, default="")

    objects = ApprovalRuleQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="payments_approvalrule_needed", condition=Q(needed__lte=3, from_micros__gte=0)
            ),
            models.CheckConstraint(
                name="payments_approvalrule_four_eyes",
                condition=Q(needed__gte=1) | ~Q(action__in=FOUR_EYES),
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["action", "from_micros", "-valid_from"], name="payments_approvalrule_newest"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} from {self.from_micros}: {self.needed}"


class ApprovalRequestQuerySet(DueQuerySet["ApprovalRequest"]):
    """Requests, in the words of the domain."""

    def waiting(self) -> "ApprovalRequestQuerySet":
        """Requests that somebody still has to decide."""
        return self.filter(status=ApprovalRequest.Status.PENDING)


class ApprovalRequest(DueRow):
    """A proposal: an action with its payload, run once, when enough others agreed.

    PENDING -> APPROVED -> EXECUTED or FAILED; or -> REJECTED, WITHDRAWN or EXPIRED. The payload
    never changes: another payload is another request. Only ``payments.approvals`` writes here.
    """

    class Status(models.TextChoices):
        PENDING = "PENDING", "Waiting"
        APPROVED = "APPROVED", "Approved"
        EXECUTED = "EXECUTED", "Done"
        FAILED = "FAILED", "Failed"
        REJECTED = "REJECTED", "Rejected"
        WITHDRAWN = "WITHDRAWN", "Withdrawn"
        EXPIRED = "EXPIRED", "Expired"

    id = models.UUIDField(primary_key=True, default=uuid7)
    action = models.CharField(max_length=64, help_text="The job that runs it.")
    target_type = models.CharField(max_length=40)
    target_id = models.CharField(max_length=64)
    summary = models.CharField(max_length=300, help_text="What would happen, for people.")
    payload = models.JSONField()
    payload_hash = models.CharField(max_length=64, help_text="SHA-256 of the canonical payload.")
    amount_micros = models.BigIntegerField(null=True, blank=True)
    currency = models.CharField(max_length=3, default="", blank=True)
    maker = models.CharField(max_length=80, help_text="staff:7 or service:y.")
    reason = models.CharField(max_length=300)
    needed = models.PositiveSmallIntegerField()
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.PENDING)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, default="", blank=True)

    objects = ApprovalRequestQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="payments_approvalrequest_needed", condition=Q(needed__gte=1, needed__lte=3)
            ),
            models.UniqueConstraint(
                name="payments_approvalrequest_one_open",
                fields=["action", "target_type", "target_id", "payload_hash"],
                condition=Q(status="PENDING"),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["status", "created_at"], name="payments_approvalreq_status"),
        ]

    def __str__(self) -> str:
        return self.summary


class ApprovalDecision(AppendOnly):
    """One person's word on one request; the maker is copied here so that a CHECK can compare."""

    class Word(models.TextChoices):
        APPROVE = "APPROVE", "Approved"
        REJECT = "REJECT", "Rejected"

    request = models.ForeignKey(ApprovalRequest, models.PROTECT, related_name="decisions")
    maker = models.CharField(max_length=80)
    decided_by = models.CharField(max_length=80, help_text="staff:7.")
    word = models.CharField(max_length=7, choices=Word.choices)
    payload_hash = models.CharField(max_length=64, help_text="What was seen and decided on.")
    reason = models.CharField(max_length=300, default="", blank=True)
    decided_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="payments_approvaldecision_once", fields=["request", "decided_by"]
            ),
            models.CheckConstraint(
                name="payments_approvaldecision_not_the_maker",
                condition=~Q(decided_by=F("maker")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.decided_by}: {self.get_word_display()}"
