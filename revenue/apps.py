"""Wiring of the ``revenue`` app."""

from django.apps import AppConfig


class RevenueConfig(AppConfig):
    name = "revenue"
