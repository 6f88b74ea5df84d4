"""Arguments that several management commands take."""

from argparse import ArgumentTypeError
from datetime import date, timedelta


def day(text: str) -> date:
    """A day on the command line, for ``type=`` of an argument.

    Raises:
        ArgumentTypeError: It is none; the command says so in one line and exits with 2.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text} is not a day (YYYY-MM-DD)") from error


def day_after(text: str) -> date:
    """Until when, not included, of a last day on the command line, which is.

    Raises:
        ArgumentTypeError: As ``day``.
    """
    return day(text) + timedelta(days=1)
