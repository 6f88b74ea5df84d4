"""Staff logins: switched off instead of deleted, and nobody hands rights to themselves"""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from legato_payments.lib.pages import cells
from payments.models import AuditEntry
from tests.backoffice.conftest import ClientOf

pytestmark = pytest.mark.django_db


@pytest.fixture
def colleague(db: None) -> User:
    """A login without rights."""
    return User.objects.create_user("colleague", password="unused", is_staff=True)


def typed(**changes: Any) -> dict[str, Any]:
    return {
        "username": "colleague",
        "is_active": "on",
        "is_staff": "on",
        "staff_profile-TOTAL_FORMS": "0",
        "staff_profile-INITIAL_FORMS": "0",
        **changes,
    }


def test_switching_a_login_off_is_written_down(
    boss: Client, superuser: User, colleague: User
) -> None:
    answer = boss.post(cells.page_of(colleague), typed(is_active=""))

    assert answer.status_code == 302
    colleague.refresh_from_db()
    assert not colleague.is_active
    entry = AuditEntry.objects.get(action="payments.staff.changed")
    assert (entry.actor, entry.object_id) == (f"staff:{superuser.pk}", str(colleague.pk))


def test_nobody_deletes_a_login(boss: Client, colleague: User) -> None:
    answer = boss.post(reverse("admin:auth_user_delete", args=[colleague.pk]), {"post": "yes"})

    assert answer.status_code == 403
    assert User.objects.filter(pk=colleague.pk).exists()


def test_only_superusers_hand_out_rights(staff: ClientOf, colleague: User) -> None:
    clerk = staff("auth.view_user", "auth.change_user")
    right = Permission.objects.get(codename="add_currencyrate")

    clerk.post(
        cells.page_of(colleague),
        typed(is_superuser="on", user_permissions=[right.pk], email="a@b.co"),
    )

    colleague.refresh_from_db()
    assert colleague.email == "a@b.co"
    assert not colleague.is_superuser
    assert not colleague.user_permissions.exists()


def test_only_superusers_change_superusers(staff: ClientOf, superuser: User) -> None:
    clerk = staff("auth.view_user", "auth.change_user")

    answers = [
        clerk.post(cells.page_of(superuser), typed(username="root", is_active="")),
        clerk.post(reverse("admin:auth_user_password_change", args=[superuser.pk]), {}),
        clerk.post(reverse("admin:auth_group_add"), {"name": "friends"}),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
