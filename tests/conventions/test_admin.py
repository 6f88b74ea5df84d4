"""The back office shows money and never edits it in place."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import models
from django.http import HttpRequest
from django.test import Client, RequestFactory

from legato_payments.backoffice.site import BackofficeSite
from legato_payments.lib.append_only import AppendOnly

type Admin = admin.ModelAdmin[Any]

OURS = {"payments", "revenue", "access"}
EDITABLE = {"payments.StaffProfile"}
"""What staff may edit in a form. Everything else changes through services, by actions."""


def read_only_admins() -> list[tuple[type[models.Model], Admin]]:
    """Every registered admin of our models, but the few that are forms."""
    return [
        (model, registered)
        for model, registered in admin.site._registry.items()
        if model._meta.app_label in OURS and model._meta.label not in EDITABLE
    ]


def request_of_a_superuser() -> HttpRequest:
    """Somebody with every right that Django knows."""
    request = RequestFactory().get("/")
    request.user = User(username="root", is_active=True, is_staff=True, is_superuser=True)
    return request


def test_the_back_office_is_the_admin_site() -> None:
    """The theme's default app configuration would put its own site in the place of ours."""
    registering = {type(registered.admin_site) for registered in admin.site._registry.values()}

    assert isinstance(admin.site._registry, dict)
    assert registering == {BackofficeSite}


def test_no_append_only_model_is_a_form() -> None:
    editable = {model for model in admin.site._registry if model._meta.label in EDITABLE}

    assert not any(issubclass(model, AppendOnly) for model in editable)


@pytest.mark.parametrize(
    ("model", "registered"), read_only_admins(), ids=lambda value: getattr(value, "__name__", "")
)
def test_nobody_adds_changes_or_deletes(model: type[models.Model], registered: Admin) -> None:
    request = request_of_a_superuser()

    assert not registered.has_add_permission(request)
    assert not registered.has_change_permission(request)
    assert not registered.has_delete_permission(request)
    assert "delete_selected" not in registered.get_actions(request)
    assert not registered.list_editable


@pytest.mark.parametrize(
    ("model", "registered"), read_only_admins(), ids=lambda value: getattr(value, "__name__", "")
)
def test_lines_below_are_read_only_too(model: type[models.Model], registered: Admin) -> None:
    request = request_of_a_superuser()

    for inline in registered.get_inline_instances(request):
        assert not inline.has_add_permission(request, None)
        assert not inline.has_change_permission(request)
        assert not inline.has_delete_permission(request)


@pytest.mark.django_db
def test_the_policy_of_the_theme_stays_in_the_admin(client: Client, settings: Any) -> None:
    inside = client.get(f"/{settings.ADMIN_PATH}login/")["Content-Security-Policy"]
    outside = client.get("/livez")["Content-Security-Policy"]

    assert "script-src 'self' 'unsafe-eval'" in inside
    assert "unsafe" not in outside
