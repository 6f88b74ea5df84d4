"""Puts the back office in the place of Django's admin site."""

from django.contrib.admin.apps import AdminConfig


class BackofficeAdminConfig(AdminConfig):
    default_site = "legato_payments.backoffice.site.BackofficeSite"
