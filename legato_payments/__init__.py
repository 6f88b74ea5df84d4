"""The Django project: settings and wiring on top, a small library at the bottom."""

from legato_payments.celery import app as celery_app

__all__ = ["celery_app"]
