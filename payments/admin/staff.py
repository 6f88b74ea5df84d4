"""Staff: who may log in here, with which rights."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.forms import BaseModelForm
from django.http import HttpRequest

from legato_payments.lib import clock
from legato_payments.lib.admin import (
    AdminPasswordChangeForm,
    ModelAdmin,
    StackedInline,
    UserChangeForm,
    UserCreationForm,
    actor_of,
)
from legato_payments.lib.pages import columns
from payments import audit
from payments.models import StaffProfile

RIGHTS = ("is_superuser", "is_staff", "groups", "user_permissions")
"""What only a superuser hands out: otherwise whoever edits staff could make themselves one."""


class StaffProfileInline(StackedInline):
    """The person behind the login, so that nobody pays themselves."""

    model = StaffProfile
    verbose_name_plural = "Platform account"
    can_delete = False


admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class StaffAdmin(UserAdmin, ModelAdmin):
    """Logins of staff. Nobody is deleted: the audit log names them; a login is switched off."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    inlines = [StaffProfileInline]
    actions = None
    list_display = [
        "username",
        columns.text("first_name"),
        columns.text("last_name"),
        columns.flag("is_active", "May log in"),
        columns.flag("is_superuser", "Superuser"),
        columns.moment("last_login", "Last login"),
    ]
    list_filter = ["is_active", "is_superuser"]
    search_fields = ["username", "first_name", "last_name"]
    readonly_fields: ClassVar[Any] = [columns.moment("last_login"), columns.moment("date_joined")]
    fieldsets = [
        (None, {"fields": ("username", "password", "is_active")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Rights", {"fields": RIGHTS}),
        ("Times", {"fields": tuple(readonly_fields)}),
    ]

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Superusers are changed by superusers."""
        if obj is not None and obj.is_superuser and not _is_superuser(request):
            return False
        return bool(super().has_change_permission(request, obj))

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[Any]:
        """Rights too, unless a superuser looks."""
        fixed = () if _is_superuser(request) else RIGHTS
        return [*super().get_readonly_fields(request, obj), *fixed]

    def save_related(
        self, request: HttpRequest, form: BaseModelForm, formsets: Any, change: bool
    ) -> None:
        """Write down what the login may do from now on."""
        super().save_related(request, form, formsets, change)
        user: User = form.instance
        audit.record(
            actor=actor_of(request),
            action="payments.staff.changed" if change else "payments.staff.created",
            object_type="staff",
            object_id=user.pk,
            now=clock.now(),
            after={
                "username": user.username,
                "is_active": user.is_active,
                "is_staff": user.is_staff,
                "is_superuser": user.is_superuser,
                "groups": ", ".join(user.groups.order_by("name").values_list("name", flat=True)),
                "rights": user.user_permissions.count(),
                "changed": ", ".join(form.changed_data),
            },
        )


@admin.register(Group)
class RoleAdmin(GroupAdmin, ModelAdmin):
    """Roles: named sets of rights. Only superusers change them."""

    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Superusers."""
        return _is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Superusers."""
        return _is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Superusers."""
        return _is_superuser(request)


def _is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_active and request.user.is_superuser)
