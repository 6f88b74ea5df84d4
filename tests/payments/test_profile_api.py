"""GET and PUT /api/v1/payments/users/{user_id}/profile"""

from typing import Any

import pytest
from django.db import connection

from payments.models import Customer
from tests.clients import PAYMENTS, api
from tests.factories import READER
from tests.payments import books_of

pytestmark = pytest.mark.django_db

URL = f"{PAYMENTS}/users/{READER}/profile"
FIRST = {"If-None-Match": "*"}

PROFILE = {
    "country": "CA",
    "region": "QC",
    "currency": "CAD",
    "birth_year": 1990,
    "preferred_gateway": "stripe",
    "email": "reader@legato.example",
}


def put(body: dict[str, Any], headers: dict[str, str] | None = None, **caller: Any) -> Any:
    return api(**(caller or {"user": READER})).put(URL, body, headers=headers)


def current() -> dict[str, str]:
    """The precondition of who has just read the profile."""
    return {"If-Match": api(user=READER).get(URL)["ETag"]}


class TestFirst:
    def test_is_written_whole_and_read_again(self) -> None:
        answer = put(PROFILE, FIRST)

        assert answer.status_code == 200
        assert answer.json() == {"user_id": READER, **PROFILE}
        read = api(user=READER).get(URL)
        assert read.json() == answer.json()
        assert read["ETag"] == answer["ETag"]
        assert read["Cache-Control"] == "no-store"

    def test_an_empty_one_has_defaults(self) -> None:
        assert put({}, FIRST).json() == {
            "user_id": READER,
            "country": None,
            "region": None,
            "currency": "USD",
            "birth_year": None,
            "preferred_gateway": None,
            "email": None,
        }

    def test_there_is_none_before(self) -> None:
        answer = api(user=READER).get(URL)

        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    def test_does_not_overwrite_one_that_is_there(self) -> None:
        put(PROFILE, FIRST)

        with books_of.nothing_changed():
            answer = put({}, FIRST)

        assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")


class TestChange:
    def test_replaces_the_whole_profile(self) -> None:
        before = put(PROFILE, FIRST)

        answer = put({"country": "NG", "currency": "NGN"}, current())

        assert answer.status_code == 200
        assert (answer.json()["country"], answer.json()["email"]) == ("NG", None)
        assert answer["ETag"] != before["ETag"]
        assert Customer.objects.get().version == 2

    def test_needs_to_say_which_version_it_is_for(self) -> None:
        put(PROFILE, FIRST)

        with books_of.nothing_changed():
            answer = put({})

        assert (answer.status_code, answer.json()["code"]) == (428, "precondition_required")

    def test_the_first_one_needs_to_say_that_it_is_the_first(self) -> None:
        with books_of.nothing_changed():
            assert put(PROFILE).status_code == 428
            assert put(PROFILE, {"If-Match": '"x"'}).status_code == 412
            assert put(PROFILE, {"If-Match": "*"}).status_code == 412

    def test_of_two_editors_the_second_is_refused(self) -> None:
        put(PROFILE, FIRST)
        seen = current()
        put({"country": "NG"}, seen)

        with books_of.nothing_changed():
            answer = put({"country": "US"}, seen)

        assert answer.status_code == 412

    def test_one_readers_version_is_not_anothers(self) -> None:
        put(PROFILE, FIRST)
        other = api(user="reader-2")
        url = URL.replace(READER, "reader-2")
        other.put(url, PROFILE, headers=FIRST)

        assert other.put(url, {}, headers=current()).status_code == 412


class TestSecrecy:
    def test_the_address_is_encrypted_in_the_table(self) -> None:
        put(PROFILE, FIRST)

        with connection.cursor() as cursor:
            cursor.execute("SELECT email, to_jsonb(c)::text FROM payments_customer c")
            email, row = cursor.fetchone()

        assert b"reader" not in bytes(email)
        assert b"legato.example" not in bytes(email)
        assert "reader@" not in row
        assert Customer.objects.get().email == "reader@legato.example"

    def test_the_same_address_never_looks_the_same(self) -> None:
        put(PROFILE, FIRST)
        api(user="reader-2").put(URL.replace(READER, "reader-2"), PROFILE, headers=FIRST)

        with connection.cursor() as cursor:
            cursor.execute("SELECT count(DISTINCT email) FROM payments_customer")
            assert cursor.fetchone() == (2,)

    def test_the_audit_log_has_neither_address_nor_age(self) -> None:
        put(PROFILE, FIRST)
        put(PROFILE | {"country": "NG"}, current())

        first, second = books_of.audit("payments.profile.changed")
        assert (first.actor, first.object_id, first.before) == ("user:reader-1", READER, None)
        assert first.after is not None
        assert second.before == first.after
        assert first.after == {
            "country": "CA",
            "region": "QC",
            "currency": "CAD",
            "preferred_gateway": "STRIPE",
            "version": 1,
        }


class TestRefused:
    @pytest.mark.parametrize(
        ("changes", "pointer"),
        [
            ({"country": "Canada"}, "/country"),
            ({"country": "ca"}, "/country"),
            ({"region": "Quebec"}, "/region"),
            ({"currency": "EUR"}, "/currency"),
            ({"currency": None}, "/currency"),
            ({"birth_year": 1899}, "/birth_year"),
            ({"birth_year": 2999}, "/birth_year"),
            ({"birth_year": "1990"}, "/birth_year"),
            ({"preferred_gateway": "cash"}, "/preferred_gateway"),
            ({"email": "nobody"}, "/email"),
            ({"email": f"{'x' * 250}@a.example"}, "/email"),
            ({"email": "a@b.example\r\nBcc: c@d.example"}, "/email"),
            ({"name": "Ada"}, "/name"),
        ],
    )
    def test_a_profile_that_makes_no_sense(self, changes: dict[str, Any], pointer: str) -> None:
        with books_of.nothing_changed():
            answer = put(PROFILE | changes, FIRST)

        assert answer.status_code == 400
        assert pointer in [error["pointer"] for error in answer.json()["errors"]]

    @pytest.mark.parametrize(
        ("caller", "status"),
        [
            ({"user": None}, 401),
            ({"user": "reader-2"}, 403),
            ({"user": READER, "scopes": ["earnings:read"]}, 403),
            ({"service": "shop", "scopes": ["balances:read"]}, 403),
        ],
    )
    def test_anybody_but_the_reader(self, caller: Any, status: int) -> None:
        put(PROFILE, FIRST)
        seen = current()

        with books_of.nothing_changed():
            assert put({}, seen, **caller).status_code == status
        assert api(**caller).get(URL).status_code == status

    def test_reading_alone_does_not_let_one_write(self) -> None:
        put(PROFILE, FIRST)
        seen = current()

        with books_of.nothing_changed():
            assert put({}, seen, user=READER, scopes=["coins:read"]).status_code == 403
        assert api(user=READER, scopes=["coins:read"]).get(URL).status_code == 200
