"""manage.py issue_token"""

from io import StringIO

import jwt
import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from legato_payments.lib.api.auth import verify


def issue(*arguments: str) -> str:
    out = StringIO()
    call_command("issue_token", *arguments, stdout=out)
    return out.getvalue().strip()


def test_prints_a_token_of_a_reader() -> None:
    principal = verify(issue("--user", "reader-1", "--email", "r@legato.example"))

    assert principal.actor == "user:reader-1"
    assert principal.email == "r@legato.example"
    assert not principal.roles
    assert not principal.scopes


def test_prints_a_token_of_a_writer() -> None:
    assert verify(issue("--user", "writer-1", "--role", "writer")).roles == {"writer"}


def test_prints_a_token_of_a_service_that_acts_for_a_user() -> None:
    principal = verify(
        issue("--service", "shop", "--scope", "access:read", "--scope", "coins:spend:delegated",
              "--act", "reader-1")
    )  # fmt: skip

    assert principal.actor == "service:shop"
    assert principal.scopes == {"access:read", "coins:spend:delegated"}
    assert principal.act == "reader-1"


def test_lives_as_long_as_it_was_told() -> None:
    token = issue("--user", "reader-1", "--lifetime", "60")
    claims = jwt.decode(token, options={"verify_signature": False})

    assert claims["exp"] - claims["iat"] == 60
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"


def test_is_refused_without_a_signing_key(settings: Settings) -> None:
    settings.JWT_SIGNING_KEY_FILE = None

    with pytest.raises(CommandError, match="JWT_SIGNING_KEY_FILE is empty"):
        issue("--user", "reader-1")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--user", "a", "--service", "b"],
        ["--user", "a", "--act", "b"],
        ["--user", "a b"],
        ["--user", ""],
        ["--service", ""],
        ["--user", "a", "--lifetime", "0"],
        ["--user", "a", "--lifetime", "99999999999"],
    ],
)
def test_makes_no_token_that_the_api_would_refuse(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        issue(*arguments)
