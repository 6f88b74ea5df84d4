"""Encrypted fields: readable in their own row only, and through a change of keys."""

import base64
import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.exceptions import FieldError
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, models
from django.db.transaction import atomic
from django.test.utils import isolate_apps
from hypothesis import given
from hypothesis import strategies as st

from legato_payments.lib import crypto, keyring
from legato_payments.lib.crypto import BadKeyRing, DecryptionFailed, KeyRing
from payments.models import Customer

OLD, NEW = (base64.b64encode(byte * 32).decode() for byte in (b"1", b"2"))
RING = KeyRing.parse(f"1:{OLD}")
BOTH = KeyRing.parse(f"1:{OLD},2:{NEW}")
NOW = datetime(2026, 11, 1, tzinfo=UTC)
EMAIL = "ada.reader@example.com"


@pytest.fixture
def customer(db: None) -> Customer:
    """A reader with an e-mail address."""
    return Customer.objects.create(user_id="reader-1", email=EMAIL, created_at=NOW, updated_at=NOW)


def stored(user_id: str) -> bytes:
    """The bytes of the e-mail as PostgreSQL holds them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT email FROM payments_customer WHERE user_id = %s", [user_id])
        (value,) = cursor.fetchone() or (b"",)
    return bytes(value)


def overwrite(user_id: str, data: bytes) -> None:
    """Put other bytes there, as somebody with access to the database could."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payments_customer SET email = %s WHERE user_id = %s", [data, user_id]
        )


class TestKeyRing:
    @given(text=st.text(), row=st.text())
    def test_opens_what_it_sealed(self, text: str, row: str) -> None:
        try:
            text.encode()
            row.encode()
        except UnicodeEncodeError:
            return

        assert RING.unseal(RING.seal(text, purpose="t.c", row=row), purpose="t.c", row=row) == text

    def test_seals_the_same_text_differently_each_time(self) -> None:
        sealed = {RING.seal(EMAIL, purpose="t.c", row="1") for _ in range(100)}

        assert len(sealed) == 100
        assert {len(data) for data in sealed} == {len(EMAIL) + 31}

    @pytest.mark.parametrize(("purpose", "row"), [("t.c", "2"), ("t.d", "1"), ("t.c:1", "")])
    def test_opens_in_no_other_row_or_column(self, purpose: str, row: str) -> None:
        sealed = RING.seal(EMAIL, purpose="t.c", row="1")

        with pytest.raises(DecryptionFailed):
            RING.unseal(sealed, purpose=purpose, row=row)

    def test_notices_every_flipped_bit(self) -> None:
        sealed = RING.seal("ada", purpose="t.c", row="1")

        for place in range(len(sealed) * 8):
            flipped = bytearray(sealed)
            flipped[place // 8] ^= 1 << place % 8
            with pytest.raises(DecryptionFailed):
                RING.unseal(bytes(flipped), purpose="t.c", row="1")

    @pytest.mark.parametrize("data", [b"", b"\x01", b"plain text", b"\x01\x00\x01" + b"x" * 27])
    def test_refuses_what_it_never_sealed(self, data: bytes) -> None:
        with pytest.raises(DecryptionFailed):
            RING.unseal(data, purpose="t.c", row="1")

    def test_seals_with_the_highest_number_and_opens_all(self) -> None:
        old = RING.seal(EMAIL, purpose="t.c", row="1")
        new = BOTH.seal(EMAIL, purpose="t.c", row="1")

        assert (keyring.key_number(old), keyring.key_number(new)) == (1, 2)
        assert BOTH.unseal(old, purpose="t.c", row="1") == EMAIL
        with pytest.raises(DecryptionFailed, match="key 2, which is not in FIELD_KEYS"):
            RING.unseal(new, purpose="t.c", row="1")

    def test_a_key_under_another_number_opens_nothing(self) -> None:
        sealed = BOTH.seal(EMAIL, purpose="t.c", row="1")
        renumbered = KeyRing.parse(f"3:{NEW}")

        with pytest.raises(DecryptionFailed):
            renumbered.unseal(b"\x01\x00\x03" + sealed[3:], purpose="t.c", row="1")

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("", "is empty"),
            (" , ", "is empty"),
            (OLD, "entry 1 is not"),
            (f"0:{OLD}", "entry 1 is not"),
            (f"70000:{OLD}", "entry 1 is not"),
            (f"1:{OLD},x:{NEW}", "entry 2 is not"),
            ("1:***", "key 1 is not base64"),
            ("1:c2hvcnQ=", "key 1 has 5 bytes, not 32"),
            (f"1:{OLD},1:{NEW}", "number 1 is there twice"),
            (f"1:{OLD},2:{OLD}", "key 2 repeats another one"),
        ],
    )
    def test_refuses_an_unusable_ring_without_showing_a_key(self, text: str, why: str) -> None:
        with pytest.raises(BadKeyRing, match=why) as refusal:
            KeyRing.parse(text)

        assert OLD not in str(refusal.value)

    def test_never_shows_its_keys(self) -> None:
        assert "1111" not in repr(RING)


class TestBlindIndex:
    def test_equal_values_meet_whatever_their_spelling(self) -> None:
        assert crypto.blind_index("GB33 BUKB 2020", "t.iban") == crypto.blind_index(
            " gb33bukb2020\n", "t.iban"
        )
        assert crypto.blind_index("\uff41da@x", "t.email") == crypto.blind_index("ADA@x", "t.email")

    def test_differs_by_value_and_purpose(self) -> None:
        made = {crypto.blind_index(v, p) for v in ("a", "b") for p in ("t.c", "t.d")}

        assert len(made) == 4
        assert {len(index) for index in made} == {16}

    def test_finds_rows_of_every_key(self, settings: Any) -> None:
        settings.FIELD_KEYS = f"1:{OLD}"
        before = crypto.blind_index("a", "t.c")

        settings.FIELD_KEYS = f"1:{OLD},2:{NEW}"

        assert crypto.blind_indexes("a", "t.c") == [crypto.blind_index("a", "t.c"), before]


class TestField:
    def test_reads_back_as_text(self, customer: Customer) -> None:
        assert Customer.objects.get().email == EMAIL
        assert Customer.objects.defer("email").get().email == EMAIL
        customer.refresh_from_db()
        assert customer.email == EMAIL

    def test_the_database_never_sees_the_text(self, customer: Customer) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT payments_customer::text FROM payments_customer")
            (dump,) = cursor.fetchone() or ("",)

        assert EMAIL.encode() not in stored("reader-1")
        assert EMAIL not in dump
        assert EMAIL.encode().hex() not in dump

    def test_nothing_stays_nothing_and_empty_stays_empty(self, customer: Customer) -> None:
        customer.email = None
        customer.save()
        assert Customer.objects.get().email is None
        assert Customer.objects.filter(email__isnull=True).exists()

        customer.email = ""
        customer.save()
        assert Customer.objects.get().email == ""

    def test_rejects_the_bytes_of_another_row(self, customer: Customer) -> None:
        Customer.objects.create(user_id="reader-2", email="eve", created_at=NOW, updated_at=NOW)
        overwrite("reader-2", stored("reader-1"))

        thief = Customer.objects.get(user_id="reader-2")

        with pytest.raises(DecryptionFailed, match=r"payments_customer\.email of row reader-2"):
            _ = thief.email

    @pytest.mark.parametrize(
        "alter",
        [
            lambda data: data[:-1] + bytes([data[-1] ^ 1]),
            lambda data: data[:20],
            lambda data: b"\x01\x00\x63" + data[3:],
            lambda _: EMAIL.encode(),
        ],
        ids=["bit flip", "cut", "unknown key", "plain text"],
    )
    def test_rejects_altered_bytes(
        self, customer: Customer, alter: Callable[[bytes], bytes]
    ) -> None:
        overwrite("reader-1", alter(stored("reader-1")))
        row = Customer.objects.get()

        with pytest.raises(DecryptionFailed):
            _ = row.email
        with pytest.raises(DecryptionFailed):
            row.save()

    def test_values_give_no_bytes_to_mistake_for_text(self, customer: Customer) -> None:
        value: object = Customer.objects.values_list("email", flat=True).get()

        assert isinstance(value, crypto.Sealed)
        assert str(value) == "Sealed()"

    def test_refuses_writes_that_know_no_row(self, customer: Customer) -> None:
        with pytest.raises(TypeError, match="save"), atomic():
            Customer.objects.update(email="x")
        with pytest.raises(TypeError, match="save"), atomic():
            Customer.objects.bulk_update([customer], ["email"])
        assert Customer.objects.get().email == EMAIL

    def test_refuses_lookups_that_could_never_match(self, customer: Customer) -> None:
        with pytest.raises(FieldError):
            Customer.objects.filter(email=EMAIL)

    def test_many_rows_at_once(self, db: None) -> None:
        Customer.objects.bulk_create(
            Customer(user_id=f"r{n}", email=f"{n}@example.com", created_at=NOW, updated_at=NOW)
            for n in range(3)
        )

        assert [c.email for c in Customer.objects.order_by("user_id")] == [
            "0@example.com",
            "1@example.com",
            "2@example.com",
        ]

    def test_takes_only_text(self) -> None:
        with pytest.raises(TypeError, match="not bytes"):
            Customer(user_id="x", email=b"bytes")  # type: ignore[misc]

    def test_is_never_serialised(self, customer: Customer) -> None:
        with pytest.raises(CommandError, match="cannot be serialised"):
            call_command("dumpdata", "payments.customer", stdout=io.StringIO())


class TestChecks:
    @isolate_apps("payments")
    def test_refuse_a_primary_key_that_the_database_makes(self) -> None:
        class Numbered(models.Model):  # noqa: DJ008
            text = crypto.EncryptedTextField()

            class Meta:
                app_label = "payments"

        assert [problem.id for problem in Numbered.check()] == ["legato.E020"]
        with pytest.raises(TypeError, match="no primary key yet"):
            Numbered._meta.get_field("text").pre_save(Numbered(text="x"), True)

    @isolate_apps("payments")
    def test_refuse_indexes_and_defaults(self) -> None:
        class Indexed(models.Model):  # noqa: DJ008
            id = models.UUIDField(primary_key=True)
            text = crypto.EncryptedTextField(unique=True, default="x")

            class Meta:
                app_label = "payments"

        assert "legato.E021" in [problem.id for problem in Indexed.check()]

    @isolate_apps("payments")
    def test_a_blind_index_follows_its_field(self) -> None:
        class Searchable(models.Model):  # noqa: DJ008
            id = models.CharField(primary_key=True, max_length=8)
            text = crypto.EncryptedTextField(null=True)
            text_index = crypto.BlindIndexField(of="text", null=True)

            class Meta:
                app_label = "payments"

        field = Searchable._meta.get_field("text_index")
        row = Searchable(id="1", text="Ada")

        assert Searchable.check() == []
        assert field.pre_save(row, True) == crypto.blind_index("ada", "payments_searchable.text")
        row.text = None
        assert field.pre_save(row, False) is None


class TestRotation:
    def test_seals_every_row_with_the_newest_key(self, customer: Customer, settings: Any) -> None:
        settings.FIELD_KEYS += f",2:{NEW}"

        assert rotate() == "payments.Customer: 1 sealed, 0 failed\n"
        assert keyring.key_number(stored("reader-1")) == 2
        settings.FIELD_KEYS = f"2:{NEW}"
        assert Customer.objects.get().email == EMAIL

    def test_skips_what_is_done(self, customer: Customer, settings: Any) -> None:
        settings.FIELD_KEYS += f",2:{NEW}"
        rotate()
        before = stored("reader-1")

        assert rotate() == "payments.Customer: 0 sealed, 0 failed\n"
        assert stored("reader-1") == before

    def test_counts_without_changing(self, customer: Customer, settings: Any) -> None:
        settings.FIELD_KEYS += f",2:{NEW}"

        assert rotate(dry_run=True) == "payments.Customer: 1 to seal, 0 failed\n"
        assert keyring.key_number(stored("reader-1")) == 1

    def test_reports_what_does_not_open_and_does_the_rest(
        self, customer: Customer, settings: Any
    ) -> None:
        Customer.objects.create(user_id="a-broken", email="x", created_at=NOW, updated_at=NOW)
        overwrite("a-broken", stored("reader-1"))
        Customer.objects.create(user_id="b-broken", email="x", created_at=NOW, updated_at=NOW)
        overwrite("b-broken", b"?")
        settings.FIELD_KEYS += f",2:{NEW}"

        with pytest.raises(CommandError, match="2 rows do not open"):
            rotate()

        assert keyring.key_number(stored("reader-1")) == 2
        assert keyring.key_number(stored("a-broken")) == 1


def rotate(**options: bool) -> str:
    """Run the command; what it printed about customers."""
    out = io.StringIO()
    call_command("rotate_field_keys", stdout=out, stderr=io.StringIO(), **options)
    lines = out.getvalue().splitlines(keepends=True)
    return "".join(line for line in lines if line.startswith("payments.Customer"))


def test_make_secret_prints_lines_that_work() -> None:
    out = io.StringIO()

    call_command("make_secret", "--number", "2", stdout=out)

    lines = dict(line.split("=", 1) for line in out.getvalue().splitlines())
    assert len(lines["SECRET_KEY"]) >= 50
    assert KeyRing.parse(lines["FIELD_KEYS"]).active == 2
