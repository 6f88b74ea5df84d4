"""Members of staff by their login, where rows know them by a number: ``staff:7`` is ``ada``."""

from contextvars import ContextVar

from django.contrib.auth.models import User

PREFIX = "staff:"

_logins: ContextVar[dict[str, str] | None] = ContextVar("logins of staff", default=None)


def forget() -> None:
    """Read the logins anew when the next one is needed: at the start of each request."""
    _logins.set(None)


def name_of(actor: str) -> str:
    """The login behind an actor who is staff; any other actor as written.

    All logins are read at once, so a list asks as often however many rows it shows.
    """
    if not actor.startswith(PREFIX):
        return actor
    logins = _logins.get()
    if logins is None:
        # Of those who left as well: their work stays theirs.
        everybody = User.objects.values_list("pk", "username")
        logins = {f"{PREFIX}{pk}": login for pk, login in everybody}
        _logins.set(logins)
    return logins.get(actor, actor)


def actor_called(login: str) -> str | None:
    """How rows know the member of staff with this login; nothing for nobody."""
    person = User.objects.filter(username=login).first()
    return f"{PREFIX}{person.pk}" if person else None
