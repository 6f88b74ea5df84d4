"""Members of staff with one role, and what they do on pages."""

import re

from django.contrib.auth.models import Group, User
from django.test import Client

from tests.backoffice.conftest import logged_in

ROLES = ("Operator", "Approver", "Support", "Auditor", "Finance manager", "Staff admin")


def user_of(role: str) -> User:
    """Somebody with one role."""
    user, _ = User.objects.get_or_create(username=role, is_staff=True)
    user.groups.set(Group.objects.filter(name=role))
    return user


def member(role: str) -> Client:
    """A browser of somebody with one role."""
    return logged_in(user_of(role))


def send(client: Client, url: str, **typed: str) -> str:
    """Send a form; the page that answers."""
    return client.post(url, typed, follow=True).content.decode()


def twice(client: Client, url: str, **typed: str) -> str:
    """Send a form, look at what it would do, and send it again."""
    first = send(client, url, **typed)
    return send(client, url, confirmed=mark_of(first), **typed)


def mark_of(html: str) -> str:
    """What a page that shows the effect wants to have back."""
    found = re.search(r'name="confirmed" value="(\w+)"', html)
    assert found, "the page shows no effect"
    return found[1]


def error_of(html: str, field: str) -> str:
    """The words beside one field."""
    found = re.search(rf'id="id_{field}_error">(.*?)</ul>', html, re.DOTALL)
    assert found, f"nothing is said beside {field}"
    return found[1]
