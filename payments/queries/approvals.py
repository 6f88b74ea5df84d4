"""What waits for people to decide, and how many of them it takes."""

from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db.models import CharField, F, QuerySet, Value
from django.db.models.functions import Concat, Replace

from payments import approvals
from payments.models import ApprovalDecision, ApprovalRequest, ApprovalRule, StaffProfile

BACKEND = "django.contrib.auth.backends.ModelBackend"
"""Where the rights of staff come from."""

RIGHT: Concat = Concat(
    Value(approvals.right_to_decide("")),
    Replace(F("action"), Value("."), Value("_")),
    output_field=CharField(),
)
"""``approvals.right_to_decide`` of a request's action, in SQL."""


def open_requests(*, now: datetime) -> QuerySet[ApprovalRequest]:
    """Requests that somebody can still decide."""
    return ApprovalRequest.objects.waiting().filter(expires_at__gt=now)


def waiting_for(
    person: AbstractBaseUser | AnonymousUser, *, now: datetime
) -> QuerySet[ApprovalRequest]:
    """The open requests that this person may decide on and has not; one query, for every page."""
    found = open_requests(now=now)
    if not isinstance(person, User):
        return found.none()
    if not person.is_superuser:
        found = found.alias(right=RIGHT).filter(right__in=person.get_all_permissions())
    decided = ApprovalDecision.objects.filter(decided_by=f"staff:{person.pk}")
    own = StaffProfile.objects.filter(user=person)
    as_reader = own.annotate(actor=Concat(Value("user:"), "platform_user_id")).values("actor")
    return (
        found.exclude(maker=f"staff:{person.pk}")
        .exclude(maker__in=as_reader)
        .exclude(pk__in=decided.values("request_id"))
        .exclude(target_type__in=approvals.PEOPLE, target_id__in=own.values("platform_user_id"))
    )


def rules_in_force(*, on: datetime) -> QuerySet[ApprovalRule]:
    """The rules that count at ``on``: one of each action and amount."""
    rows = ApprovalRule.objects.filter(valid_from__lte=on)
    return rows.order_by("action", "from_micros", "-valid_from", "-id").distinct(
        "action", "from_micros"
    )


def people_who_decide(action: str) -> QuerySet[User]:
    """Everybody who may decide on an action, if it is not their own proposal."""
    people = User.objects.with_perm(approvals.right_to_decide(action), backend=BACKEND)
    return people.filter(is_staff=True)
