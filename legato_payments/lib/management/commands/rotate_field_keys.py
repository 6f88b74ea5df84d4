"""Seals every encrypted field again, with the newest key of the ring."""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import models
from django.db.transaction import atomic

from legato_payments.lib import crypto

BATCH_ROWS = 500


class Command(BaseCommand):
    help = (
        "Seal every encrypted field with the newest key of FIELD_KEYS, row by row. May be "
        "interrupted and run again: rows that are done are skipped. When it reports none left, the "
        "old key can be removed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count only, change nothing")

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        failures = 0
        for model in models_with_encrypted_fields():
            sealed = failed = 0
            for key in stale_rows(model):
                try:
                    sealed += dry_run or rotate_row(model, key)
                except crypto.DecryptionFailed as error:
                    failed += 1
                    self.stderr.write(str(error))
            verb = "to seal" if dry_run else "sealed"
            self.stdout.write(f"{model._meta.label}: {sealed} {verb}, {failed} failed")  # noqa: SLF001
            failures += failed
        if failures:
            raise CommandError(f"{failures} rows do not open; keep the old keys", returncode=1)


def models_with_encrypted_fields() -> list[type[models.Model]]:
    """Every model of the project with an encrypted field."""
    return [model for model in apps.get_models() if crypto.encrypted_fields(model)]


def stale_rows(model: type[models.Model]) -> Iterator[Any]:
    """Primary keys of the rows that hold a value under an older key, in order."""
    names = [found.name for found in crypto.encrypted_fields(model)]
    rows = model._default_manager.order_by("pk").values_list("pk", *names)  # noqa: SLF001
    batch = list(rows[:BATCH_ROWS])
    while batch:
        for key, *values in batch:
            if any(crypto.is_stale(value) for value in values):
                yield key
        batch = list(rows.filter(pk__gt=batch[-1][0])[:BATCH_ROWS])


@atomic
def rotate_row(model: type[models.Model], key: Any) -> bool:
    """Seal one row again; false when it is gone or somebody else did.

    Raises:
        DecryptionFailed: A value does not open; the row stays as it is.
    """
    row = model._default_manager.select_for_update(no_key=True).filter(pk=key).first()  # noqa: SLF001
    if row is None or not crypto.needs_reencryption(row):
        return False
    crypto.reencrypt(row)
    return True
