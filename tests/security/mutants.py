"""Malformed requests, made from valid ones: the corpus of ``test_malformed``"""

import copy
import gzip
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

JSON = "application/json"
MARK = "@@here@@"

type Pointer = tuple[str | int, ...]


@dataclass(frozen=True)
class Mutant:
    """A request with one thing wrong.

    Args:
        is_hopeless: No field of ours takes it, so a 2xx would be a hole. The others may turn out
            to be valid: a number that became another number.
    """

    name: str
    method: str
    path: str
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    is_hopeless: bool = False


# Raw JSON, so that what Python would not write can be written, too.
HOPELESS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e5",
    "1E400",
    "1e-400",
    "9" * 400,
    "-" + "9" * 41,
    "0." + "1" * 60,
    '"\\u0000"',
    '"a\\u0000b"',
    '"\\ud800"',
    '"\\udfff\\ud800"',
    "[" * 40 + "]" * 40,
    '{"a":' * 40 + "1" + "}" * 40,
    '{"a":1,"a":2}',
    '{"\\u0000":1}',
    "undefined",
    "'single'",
    "0x10",
    "01",
    "+1",
    "1_000",
    ".5",
    "\uff11\uff12",
    "tru",
    '"unclosed',
    '"tab\tinside"',
]
DOUBTFUL = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-1",
    "1",
    "1.0",
    "0.1",
    str(2**31),
    str(2**63 - 1),
    str(2**63),
    str(-(2**63) - 1),
    '""',
    '" "',
    '"0"',
    '"1_000"',
    '"\uff11\uff12"',
    '"\u0663"',
    '"1e5"',
    '"NaN"',
    '"-1.00"',
    '"9.9999999"',
    '"999999999999.999999"',
    '"\\u202egnp.exe"',
    '"\\ufeff"',
    '"e\\u0301"',
    '"\\ud83d\\ude00"',
    '"\\r\\nX-Injected: 1"',
    '"\\u2028"',
    '"4111 1111 1111 1111"',
    '"\'; DROP TABLE payments_entry; --"',
    '"%s%n{0}{{7*7}}"',
    '"../../etc/passwd"',
    '"<script>alert(1)</script>"',
    '"2026-02-30"',
    '"0001-01-01T00:00:00+23:59"',
    '"9999-12-31T23:59:59-23:59"',
    '"01930000-0000-7000-8000-00000000DEAD"',
    '"service:x"',
    '"' + "x" * 65 + '"',
    '"' + "y" * 5_000 + '"',
    "[]",
    "{}",
    "[[]]",
    '[{"a":1}]',
    '{"$ne":null}',
    '{"amount":"1","currency":"USD"}',
    "[" + ",".join(["1"] * 1_001) + "]",
    "[" * 30 + "]" * 30,
]

BODIES: dict[str, bytes] = {
    "an array": b"[]",
    "a string": b'"x"',
    "a number": b"1",
    "null": b"null",
    "true": b"true",
    "half an object": b'{"a"',
    "two objects": b"{}{}",
    "an object and more": b"{} x",
    "a comment": b"/* */ {}",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-32": '{"a": 1}'.encode("utf-32"),
    "Latin-1": b'{"a": "\xe9"}',
    "overlong UTF-8": b'{"a": "\xc0\xaf"}',
    "half a surrogate in UTF-8": b'{"a": "\xed\xa0\x80"}',
    "NUL": b"\x00",
    "NULs": b"{}" + b"\x00" * 100,
    "gzip": gzip.compress(b'{"a": 1}'),
    "a bomb of arrays": b"[" * 60_000,
    "a bomb of objects": b'{"a":' * 12_000,
    "a form": b"a=1&b=2",
    "a multipart form": b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n',
    "XML": b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
    "a pickle": b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00}\x94.",
    "random bytes": random.Random(7).randbytes(500),
    "too many bytes": b'{"a": "' + b"x" * (2 * 1024 * 1024) + b'"}',
    "a key twice": b'{"a": 1, "a": 1}',
    "an unknown key": b'{"no_such_field": 1}',
    "a prototype": b'{"__proto__": {"admin": true}}',
}

# Not among them: NUL, which no server lets through, and */*, which DRF takes for JSON.
CONTENT_TYPES = [
    "text/plain",
    "text/html",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "application/xml",
    "application/json-patch+json",
    "application/vnd.api+json",
    "application/json; charset=utf-16",
    "application/json; charset=latin-1",
    "application/json; charset=no-such",
    "application/jsonx",
    "application",
    "json",
    "/",
    "\xff\xfe",
    "x" * 9_000,
]

HEADERS: list[dict[str, str]] = [
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer "},
    {"Authorization": "Bearer a.b.c"},
    {"Authorization": "Bearer " + "x" * 9_000},
    {"Authorization": "Bearer \xe9\xff"},
    {"Authorization": "Bearer a b c"},
    {"Authorization": "Bearer \x00"},
    {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."},
    {"Authorization": "Basic cmVhZGVyOng="},
    {"Authorization": "\x00"},
    {"Authorization": ""},
    {"Accept": "image/png"},
    {"Accept": "text/html"},
    {"Accept": ""},
    {"Accept": "application/json; version=9"},
    {"Accept": ",,,;;;q=x"},
    {"Accept": "a/b;" * 2_000},
    {"Accept-Language": "x" * 5_000},
    {"Accept-Encoding": "gzip;q=nan"},
    {"Content-Encoding": "gzip"},
    {"Content-Encoding": "zstd, br"},
    {"Content-Length": "1"},
    {"Content-Length": "0"},
    {"Transfer-Encoding": "chunked"},
    {"Transfer-Encoding": "gzip, chunked"},
    {"Cookie": "sessionid=" + "a" * 8_000},
    {"Cookie": "\x00=\xff; csrftoken=; ;;;"},
    {"Expect": "100-continue"},
    {"Range": "bytes=0-0,1-1,-99999999999999999999"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Referer": "\xff\x00"},
    {"User-Agent": "\x00\r\n" * 100},
    {"X-Request-ID": "x" * 5_000},
    {"X-Request-ID": "a\r\nX-Injected: 1"},
    {"X-Request-ID": "\x00\xff"},
    {"X-Forwarded-For": "999.999.999.999, ::::, \x00"},
    {"X-Forwarded-Proto": "gopher"},
    {"X-Http-Method-Override": "DELETE"},
    {"Forwarded": "for=_hidden;by=\x00"},
    {"traceparent": "00-" + "0" * 32 + "-" + "0" * 16 + "-ff"},
    {"traceparent": "zz-\x00"},
    {"tracestate": "x" * 5_000},
    {"If-Match": "x"},
    {"If-Match": 'W/"' + "a" * 5_000 + '"'},
    {"If-Match": '"' * 999},
    {"If-Match": "\x00\xff"},
    {"If-None-Match": "*"},
    {"If-None-Match": '"a", "b", ' * 500},
    {"If-Modified-Since": "Thu, 99 Foo 99999 99:99:99 GMT"},
]
BAD_HOSTS: list[dict[str, str]] = [
    {"Host": "evil.example"},
    {"Host": "a b\x00"},
    {"Host": "[::1"},
    {"Host": "x" * 300},
]
BAD_KEYS = [
    "",
    " ",
    "a b",
    "\u00e9",
    "\x00",
    "x" * 256,
    '"',
    '""',
    '"a"b"',
    "a\r\nb",
    "\x7f",
    "\xff",
]

IN_PATHS = [
    "%00",
    "a%00b",
    "%0A",
    "%0D%0A",
    "a%0Ab",
    "%ff",
    "%C0%AF",
    "%ED%A0%80",
    "%E2%80%AE",
    "..",
    "%2e%2e",
    "..%2f..%2fetc%2fpasswd",
    "a%20b",
    "a%2Fb",
    "%",
    "%zz",
    "x" * 65,
    "x" * 5_000,
    "'%20OR%201=1--",
    "%7B%7B7*7%7D%7D",
    "\u0663",
    "-1",
    "0",
    "9" * 50,
    "null",
    "*",
]
AFTER_PATHS = ["/", "//", "/x", ".json", "%0A", "%00", ";x=1", "%3Fpage_size=1", "#x"]

QUERIES = [
    "no_such_parameter=1",
    "%00=1",
    "=",
    "&&&=&",
    "a",
    "[]=1",
    "format=xml",
    "_method=DELETE",
    "%ff=1",
    "&".join(f"p{number}=1" for number in range(60)),
    "x=" + "y" * 9_000,
]
IN_QUERIES = [
    "",
    "%00",
    "%ff",
    "%ED%A0%80",
    "\u0663",
    "%EF%BC%91",
    "-1",
    "0",
    "1e2",
    "1_0",
    "+1",
    "%201",
    "01",
    "101",
    "9" * 50,
    "NaN",
    "null",
    "true",
    "[1]",
    "x" * 2_000,
    "2026-02-30",
    "2026-13-01T00:00:00Z",
    "0001-01-01T00:00:00%2B23:59",
    "9999-12-31T23:59:59-23:59",
    "2026-01-01T00:00:00",
    "'%20OR%201=1--",
    "..%2f..",
]


def mutants(
    valid: Mutant, *, query: Mapping[str, str], has_key: bool, is_raw: bool
) -> Iterator[Mutant]:
    """Everything we know to do to one valid request.

    Args:
        is_raw: The body is signed as it is, and its type is of no account.
    """
    if valid.method != "GET":
        yield from _of_body(valid)
        # Where there is no body, its type says nothing.
        if valid.body:
            yield from _of_type(valid, is_raw=is_raw)
    yield from _of_headers(valid, has_key=has_key)
    yield from _of_path(valid)
    yield from _of_query(valid, query)


def _of_body(valid: Mutant) -> Iterator[Mutant]:
    for name, raw in BODIES.items():
        yield replace(valid, name=f"the body is {name}", body=raw, is_hopeless=True)
    document = json.loads(valid.body or b"{}")
    for pointer in _pointers(document):
        yield from _of_value(valid, document, pointer)
    for pointer in [(), *_pointers(document)]:
        yield from _of_object(valid, document, pointer)


def _of_type(valid: Mutant, *, is_raw: bool) -> Iterator[Mutant]:
    for kind in CONTENT_TYPES:
        name = f"the type is {kind[:40]!r}"
        yield replace(valid, name=name, content_type=kind, is_hopeless=not is_raw)


def _of_value(valid: Mutant, document: Any, pointer: Pointer) -> Iterator[Mutant]:
    marked = json.dumps(_put(document, pointer, MARK))
    for values, hopeless in ((HOPELESS, True), (DOUBTFUL, False)):
        for value in values:
            name = f"{_name(pointer)} is {value[:40]}"
            body = marked.replace(f'"{MARK}"', value).encode()
            yield replace(valid, name=name, body=body, is_hopeless=hopeless)
    body = json.dumps(_put(document, pointer, None, remove=True)).encode()
    yield replace(valid, name=f"{_name(pointer)} is missing", body=body)


def _of_object(valid: Mutant, document: Any, pointer: Pointer) -> Iterator[Mutant]:
    inner = _get(document, pointer)
    if not isinstance(inner, dict):
        return
    body = json.dumps(_put(document, (*pointer, "no_such_field"), 1)).encode()
    name = f"{_name(pointer)} holds an unknown field"
    yield replace(valid, name=name, body=body, is_hopeless=True)
    for key in inner:
        twice = json.dumps(_put(document, (*pointer, MARK), inner[key])).replace(MARK, key)
        name = f"{_name((*pointer, key))} comes twice"
        yield replace(valid, name=name, body=twice.encode(), is_hopeless=True)


def _of_headers(valid: Mutant, *, has_key: bool) -> Iterator[Mutant]:
    for header in HEADERS:
        ((name, value),) = header.items()
        if name == "Content-Length" and valid.method == "DELETE":
            continue  # the test client has nothing to read, and fails by itself
        changed = {**valid.headers, name: value}
        yield replace(valid, name=f"{name} is {value[:40]!r}", headers=changed)
    for header in BAD_HOSTS:
        changed = {**valid.headers, **header}
        yield replace(valid, name=f"a host: {header}", headers=changed, is_hopeless=True)
    for key in BAD_KEYS if has_key else []:
        changed = {**valid.headers, "Idempotency-Key": key}
        name = f"the key is {key[:40]!r}"
        yield replace(valid, name=name, headers=changed, is_hopeless=True)


def _of_path(valid: Mutant) -> Iterator[Mutant]:
    parts = valid.path.split("/")
    for at in range(3, len(parts)):  # after "", "api" and "v1"
        for bad in IN_PATHS:
            path = "/".join([*parts[:at], bad, *parts[at + 1 :]])
            yield replace(valid, name=f"{bad[:40]} in the path at {at}", path=path)
    for end in AFTER_PATHS:
        yield replace(valid, name=f"{end} after the path", path=valid.path + end)
    yield replace(valid, name="another version", path=valid.path.replace("v1", "v2"))
    yield replace(valid, name="capitals", path=f"/api/V1{valid.path[len('/api/v1') :].upper()}")


def _of_query(valid: Mutant, known: Mapping[str, str]) -> Iterator[Mutant]:
    for query in QUERIES:
        path = f"{valid.path}?{query}"
        hopeless = query.strip("&=") != ""
        yield replace(valid, name=f"the query is {query[:40]}", path=path, is_hopeless=hopeless)
    for name, value in known.items():
        for bad in IN_QUERIES:
            path = f"{valid.path}?{name}={bad}"
            yield replace(valid, name=f"?{name} is {bad[:40]}", path=path)
        path = f"{valid.path}?{name}={quote(value)}&{name}={quote(value)}"
        yield replace(valid, name=f"?{name} comes twice", path=path, is_hopeless=True)


def _pointers(document: Any, pointer: Pointer = ()) -> Iterator[Pointer]:
    if pointer:
        yield pointer
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in items:
        if isinstance(value, dict | list):
            yield from _pointers(value, (*pointer, key))
        else:
            yield (*pointer, key)


def _get(document: Any, pointer: Pointer) -> Any:
    for key in pointer:
        document = document[key]
    return document


def _put(document: Any, pointer: Pointer, value: Any, *, remove: bool = False) -> Any:
    changed = copy.deepcopy(document)
    *above, last = pointer
    place = _get(changed, tuple(above))
    if remove:
        del place[last]
    else:
        place[last] = value
    return changed


def _name(pointer: Pointer) -> str:
    return "/" + "/".join(str(key) for key in pointer)
