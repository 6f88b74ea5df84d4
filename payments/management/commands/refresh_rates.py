"""Fetches exchange rates now, instead of waiting for the next scheduled refresh."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from legato_payments.lib import clock
from payments.gateways.rates import registry
from payments.gateways.rates.base import RateProvider, RateSourceUnreadable
from payments.gateways.rates.file import FileRates
from payments.models import CurrencyRate
from payments.services import currency_rates
from payments.services.currency_rates import Refreshed


class Command(BaseCommand):
    help = (
        "Fetch the exchange rates and record those that pass the guards. Exit code 1 when a rate "
        "was refused or missing, or the source cannot be read; 2 when the source is not set up."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--provider",
            default="",
            help=f"one of {', '.join(registry.SOURCES)}, or several by comma; else RATE_PROVIDER",
        )
        parser.add_argument(
            "--file", type=Path, metavar="PATH", help="a CSV file in place of RATE_FILE"
        )
        parser.add_argument("--format", dest="form", choices=["table", "json"], default="table")

    def handle(
        self, *args: Any, provider: str, file: Path | None, form: str, **options: Any
    ) -> None:
        """Print what was recorded and what was refused."""
        result = self._refresh(_source(provider, file))
        self.stdout.write(_as_json(result) if form == "json" else _as_table(result))
        if result.refused:
            raise CommandError(f"{len(result.refused)} of the rates were not taken", returncode=1)

    def _refresh(self, source: RateProvider) -> Refreshed:
        try:
            return currency_rates.refresh(provider=source, now=clock.now())
        except RateSourceUnreadable as error:
            return Refreshed(recorded=[], refused=[str(error)])


def _source(provider: str, file: Path | None) -> RateProvider:
    if file is not None:
        if provider not in ("", "file"):
            raise CommandError("--file goes with --provider file", returncode=2)
        return FileRates(file)
    try:
        return registry.rate_provider(provider)
    except ImproperlyConfigured as error:
        raise CommandError(str(error), returncode=2) from error


def _as_table(result: Refreshed) -> str:
    lines = [f"recorded  {rate}" for rate in result.recorded]
    lines += [f"refused   {reason}" for reason in result.refused]
    return "\n".join(lines) or "Nothing new: the newest rates are recorded already."


def _as_json(result: Refreshed) -> str:
    recorded = [_row(rate) for rate in result.recorded]
    return json.dumps({"recorded": recorded, "refused": result.refused})


def _row(rate: CurrencyRate) -> dict[str, str]:
    return {
        "base": rate.base,
        "quote": rate.quote,
        "rate": f"{rate.rate.normalize():f}",
        "as_of": rate.as_of.isoformat(),
        "source": rate.source,
    }
