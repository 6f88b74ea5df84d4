"""What a body may be: exactly one unambiguous JSON object in UTF-8 (api.md, section 1)."""

import io
import json
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from legato_payments.lib.api.errors import PayloadTooLarge
from legato_payments.lib.api.parsers import StrictJSONParser, parse_object
from legato_payments.lib.errors import Invalid

pytestmark = pytest.mark.urls("tests.lib.api.endpoints")

Post = Callable[..., Any]


def nested(depth: int) -> bytes:
    return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)


REFUSED = [
    pytest.param(b'{"coins":1,"coins":2}', "/coins", "duplicate_key", id="duplicate key"),
    pytest.param(
        b'{"items":[{"a":1,"a":1}]}', "/items/0/a", "duplicate_key", id="nested duplicate key"
    ),
    pytest.param(b'{"a":1,"\\u0061":2}', "/a", "duplicate_key", id="duplicate after escapes"),
    pytest.param(b'{"coins":NaN}', "/coins", "not_a_number", id="NaN"),
    pytest.param(b'{"coins":Infinity}', "/coins", "not_a_number", id="Infinity"),
    pytest.param(b'{"coins":-Infinity}', "/coins", "not_a_number", id="-Infinity"),
    pytest.param(b'{"coins":1e5}', "/coins", "exponent", id="1e5"),
    pytest.param(b'{"coins":1E5}', "/coins", "exponent", id="1E5"),
    pytest.param(b'{"coins":1e400}', "/coins", "exponent", id="1e400"),
    pytest.param(b'{"coins":1.5e-7}', "/coins", "exponent", id="1.5e-7"),
    pytest.param(b'{"coins":' + b"9" * 41 + b"}", "/coins", "number_too_long", id="41 digits"),
    pytest.param(b'{"coins":' + b"9" * 9999 + b"}", "/coins", "number_too_long", id="9,999 digits"),
    pytest.param(
        b'{"coins":0.' + b"9" * 99 + b"}", "/coins", "number_too_long", id="long fraction"
    ),
    pytest.param(b'{"note":"a\\u0000b"}', "/note", "null_character", id="NUL"),
    pytest.param(b'{"a\\u0000b":1}', "", "null_character", id="NUL in a key"),
    pytest.param(b'{"note":"\\ud800"}', "/note", "lone_surrogate", id="high surrogate"),
    pytest.param(b'{"note":"\\udc00 x"}', "/note", "lone_surrogate", id="low surrogate"),
    pytest.param(b'{"a":["\\udfff\\ud800"]}', "/a/0", "lone_surrogate", id="surrogates reversed"),
    pytest.param(b'{"\\ud800":1}', "", "lone_surrogate", id="surrogate in a key"),
    pytest.param(nested(33), "/a" * 32, "too_deep", id="33 levels"),
    pytest.param(b"[" * 60_000, "", "too_deep", id="60,000 levels"),
    pytest.param(b'{"a":' * 10_000, "", "too_deep", id="10,000 objects"),
    pytest.param(b'{"note":"\xff"}', "", "invalid_utf8", id="invalid UTF-8"),
    pytest.param(b'{"note":"\xed\xa0\x80"}', "", "invalid_utf8", id="surrogate in UTF-8"),
    pytest.param(b'{"note":"\xc0\x80"}', "", "invalid_utf8", id="overlong NUL"),
    pytest.param('{"coins":1}'.encode("utf-16"), "", "invalid_utf8", id="UTF-16"),
    pytest.param(b'\xef\xbb\xbf{"coins":1}', "", "byte_order_mark", id="byte order mark"),
    pytest.param(b"{", "", "malformed_json", id="cut off"),
    pytest.param(b"{}{}", "", "malformed_json", id="two objects"),
    pytest.param(b"{} x", "", "malformed_json", id="trailing text"),
    pytest.param(b" ", "", "malformed_json", id="only a space"),
    pytest.param(b"{'coins':1}", "", "malformed_json", id="single quotes"),
    pytest.param(b'{"coins":1,}', "", "malformed_json", id="trailing comma"),
    pytest.param(b'{"coins":1_000}', "", "malformed_json", id="underscore in a number"),
    pytest.param(b'{"coins":01}', "", "malformed_json", id="leading zero"),
    pytest.param(b'{"coins":+1}', "", "malformed_json", id="plus sign"),
    pytest.param(b'{"coins":0x10}', "", "malformed_json", id="hexadecimal"),
    pytest.param(b'{"coins":.5}', "", "malformed_json", id="no digit before the point"),
    pytest.param('{"coins":\uff11}'.encode(), "", "malformed_json", id="full-width digit"),
    pytest.param(b'{"note":"a\x00b"}', "", "malformed_json", id="raw NUL"),
    pytest.param(b'{"note":"a\nb"}', "", "malformed_json", id="raw newline"),
    pytest.param(b'{"coins":1/*x*/}', "", "malformed_json", id="comment"),
    pytest.param(b"[]", "", "not_an_object", id="array"),
    pytest.param(b"null", "", "not_an_object", id="null"),
    pytest.param(b'"text"', "", "not_an_object", id="string"),
    pytest.param(b"1", "", "not_an_object", id="number"),
]


@pytest.mark.parametrize(("body", "pointer", "code"), REFUSED)
def test_a_faulty_body_is_refused_with_its_place(
    post_raw: Post, body: bytes, pointer: str, code: str
) -> None:
    response = post_raw(body)

    assert response.status_code == 400
    assert response.json()["code"] == "validation_error"
    assert [(e["pointer"], e["code"]) for e in response.json()["errors"]] == [(pointer, code)]


def test_several_faults_are_told_at_once(post_raw: Post) -> None:
    response = post_raw(b'{"coins":1e5,"note":"\\u0000","items":[{"share_bps":NaN}]}')

    assert [e["pointer"] for e in response.json()["errors"]] == [
        "/coins",
        "/note",
        "/items/0/share_bps",
    ]


def test_a_flood_of_faults_is_cut_off(post_raw: Post) -> None:
    response = post_raw(b'{"a":[' + b",".join([b"NaN"] * 1000) + b"]}")

    assert len(response.json()["errors"]) == 20


def test_many_duplicate_keys_are_found_quickly(post_raw: Post) -> None:
    keys = b",".join(b'"%d":1' % (i % 3000) for i in range(6000))

    response = post_raw(b"{" + keys + b"}")

    assert response.json()["errors"][0]["code"] == "duplicate_key"


def test_32_levels_are_fine() -> None:
    assert json.dumps(parse_object(nested(32))).replace(" ", "").encode() == nested(32)


def test_an_empty_body_is_an_empty_object(post_raw: Post) -> None:
    assert post_raw(b"").json() == {}


def test_fractions_are_exact() -> None:
    assert parse_object(b'{"a":0.1,"b":-12.50}') == {"a": Decimal("0.1"), "b": Decimal("-12.50")}


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/json-patch+json",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
        "application/json; charset=bz2_codec",
    ],
)
def test_another_media_type_is_415(post_raw: Post, content_type: str) -> None:
    response = post_raw(b'{"coins":1}', content_type=content_type)

    assert response.status_code == 415
    assert response.json()["code"] == "unsupported_media_type"


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"]
)
def test_json_in_utf8_is_read(post_raw: Post, content_type: str) -> None:
    response = post_raw('{"note":"Ünïcode ₦ 🪙"}'.encode(), content_type=content_type)

    assert response.json() == {"note": "Ünïcode ₦ 🪙"}


def test_a_body_over_64_kib_is_413(post_raw: Post) -> None:
    response = post_raw(b'{"note":"' + b"x" * 65_536 + b'"}')

    assert response.status_code == 413
    assert response.json()["code"] == "payload_too_large"
    assert "65,536" in response.json()["detail"]


def test_a_body_of_just_64_kib_is_read(post_raw: Post) -> None:
    filling = b" " * (65_536 - len(b'{"coins":1}'))

    assert post_raw(b'{"coins":1}' + filling).json() == {"coins": "1"}


def test_an_action_may_take_more(post_raw: Post) -> None:
    body = json.dumps({f"k{i}": "x" * 100 for i in range(2000)}).encode()

    assert 200_000 < len(body) < 262_144
    assert post_raw(body, "/api/v1/echo/large").json() == {"keys": 2000}
    assert post_raw(body + b" " * 62_144, "/api/v1/echo/large").status_code == 413


def test_the_bytes_count_and_not_what_was_announced() -> None:
    request = HttpRequest()
    request.META["CONTENT_LENGTH"] = "2"

    with pytest.raises(PayloadTooLarge):
        StrictJSONParser().parse(io.BytesIO(b"x" * 70_000), None, {"request": request})


def test_a_chunked_body_is_411_and_not_read_as_empty(client: Client) -> None:
    response = client.generic("POST", "/api/v1/echo", b"", headers={"transfer-encoding": "chunked"})

    assert response.status_code == 411
    assert response.json()["code"] == "length_required"


@given(st.binary(max_size=200))
def test_no_bytes_make_the_parser_fail(body: bytes) -> None:
    with suppress(Invalid):
        assert isinstance(parse_object(body), dict)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc/~"), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text("abc/~"), json_values))
def test_what_json_writes_is_read_back(value: dict[str, Any]) -> None:
    assert parse_object(json.dumps(value).encode()) == value
    assert parse_object(json.dumps(value, ensure_ascii=False).encode()) == value
