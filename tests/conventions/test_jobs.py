"""Jobs are named, registered, and sent through one door."""

import ast
import re

import pytest
from celery import current_app
from django.conf import settings

from tests.conventions.sources import import_everything, none_of, project

THE_DOOR = "legato_payments/lib/jobs.py"
OTHER_DOORS = {"delay", "apply_async", "send_task"}


@pytest.fixture(scope="module")
def registered() -> set[str]:
    """The names of our own tasks."""
    import_everything()
    return {name for name in current_app.tasks if not name.startswith("celery.")}


def enqueued() -> list[tuple[str, str]]:
    """Where a job is enqueued by a literal name, and which."""
    return [
        (source.at(call), call.args[0].value)
        for source in project()
        for name, call in source.calls()
        if name == "enqueue" and call.args
        if isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)
    ]


def test_every_enqueued_name_is_a_registered_task(registered: set[str]) -> None:
    unknown = [(where, job) for where, job in enqueued() if job not in registered]

    none_of(unknown)


def test_every_scheduled_and_routed_name_is_a_registered_task(registered: set[str]) -> None:
    scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}

    assert scheduled | settings.CELERY_TASK_ROUTES.keys() <= registered


def test_every_task_is_named_after_its_app(registered: set[str]) -> None:
    """An implicit name is the module path: moving the function would lose what is queued."""
    odd = {
        name
        for name in registered
        if not re.fullmatch(r"(payments|revenue|access)\.[a-z]+(_[a-z]+)*", name)
        or current_app.tasks[name].__module__.partition(".")[0] != name.partition(".")[0]
    }

    none_of(odd)


def test_jobs_are_sent_through_enqueue_only() -> None:
    """Every other way sends before the commit, or after a rollback."""
    around = [
        source.at(call)
        for source in project()
        if source.name != THE_DOOR
        for name, call in source.calls()
        if name in OTHER_DOORS
    ]

    none_of(around)
