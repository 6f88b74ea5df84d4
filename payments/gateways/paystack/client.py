"""Requests to Paystack's API, and its answers.

Paystack has no idempotency header: what must not happen twice is guarded by references, and nothing
but a GET is ever sent again from here.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests
from django.conf import settings

from legato_payments.lib import http
from payments.gateways.base import Ambiguous, Unavailable
from payments.gateways.paystack import errors
from payments.gateways.paystack.fields import Row, integer, members, text

PER_PAGE = 100
MAX_PAGES = 10_000
"""A million rows: a list that has not ended by then never will."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What stands in the envelope of a successful answer."""

    data: Any
    meta: Row


class Client:
    """Speaks for one operation of the gateway, over one session."""

    def __init__(self) -> None:
        self._base = settings.PAYSTACK_API_BASE.rstrip("/")
        self._session = http.session()
        self._session.headers["Authorization"] = f"Bearer {settings.PAYSTACK_SECRET_KEY}"
        self._session.headers["Accept"] = "application/json"

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Answer:
        """Read something; once more when the connection broke or the server failed.

        Raises:
            GatewayError: See ``errors``.
        """
        try:
            return self._send("GET", path, query=query)
        except (Unavailable, Ambiguous) as error:
            # A second time-out would make whoever waits for us wait twice as long.
            if error.code == errors.TIME_OUT:
                raise
        return self._send("GET", path, query=query)

    def find(self, path: str) -> Answer | None:
        """As ``get``; ``None`` when Paystack says that there is no such object."""
        try:
            return self.get(path)
        except errors.NotFound:
            return None

    def post(self, path: str, body: Mapping[str, Any], *, has_data: bool = True) -> Answer:
        """Do something, once.

        Args:
            has_data: A success without ``data`` cannot be read.

        Raises:
            GatewayError: See ``errors``.
        """
        return self._send("POST", path, body=body, has_data=has_data)

    def put(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Change something, once."""
        return self._send("PUT", path, body=body)

    def rows(
        self, path: str, query: Mapping[str, str] | None = None, *, size_name: str = "perPage"
    ) -> Iterator[Row]:
        """Every object of a list, over all its pages, each once.

        Args:
            size_name: What the route calls the size of a page: there are two spellings.
        """
        seen: set[str] = set()
        for page in range(1, MAX_PAGES + 1):
            wanted = {**(query or {}), size_name: str(PER_PAGE), "page": str(page)}
            answer = self.get(path, wanted)
            # What is made while we read moves the rest down: the same row again is on the next
            # page. A page of known rows only is one that was asked for in vain.
            rows = [row for row in _rows(answer) if text(row.get("id")) not in seen]
            yield from rows
            seen.update(filter(None, (text(row.get("id")) for row in rows)))
            if not rows or _is_last(answer, page):
                return
        raise errors.unreadable(f"{path} has more than {MAX_PAGES} pages")

    def upload(self, url: str, document: bytes) -> None:
        """Put a document where Paystack told us to, at its own host or in the public internet.

        Raises:
            Unavailable: It did not arrive; nothing else has happened.
        """
        session = http.session() if url.startswith(f"{self._base}/") else http.public_session()
        try:
            response = session.put(url, data=document)
        except (requests.RequestException, ValueError) as error:
            kind = type(error).__name__
            raise Unavailable(
                f"not uploaded: {kind}", gateway=errors.CODE, code="upload"
            ) from error
        if not response.ok:
            fault = f"not uploaded: HTTP {response.status_code}"
            raise Unavailable(fault, gateway=errors.CODE, code="upload")

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        has_data: bool = True,
    ) -> Answer:
        try:
            response = self._session.request(method, f"{self._base}{path}", params=query, json=body)
        except requests.RequestException as error:
            raise errors.unanswered(error) from error
        return _read(response, has_data=has_data)


def segment(value: str) -> str:
    """A reference or id as one part of a path, whatever is in it."""
    return quote(value, safe="")


def _read(response: requests.Response, *, has_data: bool) -> Answer:
    request_id = response.headers.get("x-request-id", "") or response.headers.get("cf-ray", "")
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        body = None
    if not 200 <= response.status_code < 300:
        raise errors.refused(response.status_code, body, request_id=request_id)
    if not isinstance(body, dict):
        raise errors.unreadable("no JSON object", request_id=request_id)
    if body.get("status") is not True:
        raise errors.refused(response.status_code, body, request_id=request_id)
    if has_data and "data" not in body:
        raise errors.unreadable("no data", request_id=request_id)
    return Answer(body.get("data"), members(body.get("meta")))


def _rows(answer: Answer) -> list[Row]:
    if not isinstance(answer.data, list) or not all(isinstance(row, dict) for row in answer.data):
        raise errors.unreadable("no list of objects")
    return answer.data


def _is_last(answer: Answer, page: int) -> bool:
    pages = integer(answer.meta.get("pageCount"))
    if pages is not None:
        return page >= pages
    return len(answer.data) < (integer(answer.meta.get("perPage")) or PER_PAGE)
