"""Logs: one line per event, tied to its request or job, and without secrets."""

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from celery import signals
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars

from legato_payments.lib import redaction
from legato_payments.lib.logging import RequestContextMiddleware, formatter

CARD = "4242424242424242"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"

Lines = Callable[[], list[dict[str, Any]]]
log = structlog.get_logger("tests.logging")


@contextmanager
def captured(*, as_json: bool) -> Iterator[io.StringIO]:
    """Everything logged meanwhile, as the handler would write it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter(as_json=as_json))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel("INFO")
    try:
        yield stream
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The JSON lines logged so far."""
    with captured(as_json=True) as stream:
        yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def console() -> Iterator[io.StringIO]:
    """The lines as people see them."""
    with captured(as_json=False) as stream:
        yield stream


@pytest.fixture(autouse=True)
def _no_context() -> Iterator[None]:
    clear_contextvars()
    yield
    clear_contextvars()


def answer(request: HttpRequest) -> HttpResponse:
    """A view that says nothing."""
    return HttpResponse("body that is never logged")


def ask(
    path: str = "/api/v1/x",
    view: Callable[..., Any] = answer,
    headers: dict[str, str] | None = None,
) -> Any:
    """One request through the middleware."""
    request = RequestFactory().post(f"{path}?token=query", {"email": "body"}, headers=headers or {})
    return RequestContextMiddleware(view)(request)


class TestRedaction:
    @pytest.mark.parametrize(
        "key",
        [
            "authorization", "Authorization", "HTTP_AUTHORIZATION", "set-cookie", "access_token",
            "idToken", "client_secret", "webhook-secret", "password", "Stripe-Signature", "card",
            "card_number", "iban", "email", "customerEmail", "api_key", "apiKey", "private_key",
        ],
    )  # fmt: skip
    def test_hides_what_is_called_a_secret(self, key: str) -> None:
        assert redaction.redact({key: "value"}) == {key: "[redacted]"}

    @pytest.mark.parametrize(
        "key", ["gift_card_id", "card_brand", "card_last4", "content_id", "keyboard", "discard"]
    )
    def test_shows_what_only_names_one(self, key: str) -> None:
        assert redaction.redact({key: "value"}) == {key: "value"}

    @pytest.mark.parametrize(
        "secret",
        [
            "Bearer abcdefgh12345678",
            "bearer eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhIn0.c2ln",
            "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhIn0.c2ln",
            "sk_live_0123456789abcdef",
            "sk_test_0123456789abcdef",
            "rk_live_0123456789abcdef",
            "whsec_0123456789abcdef",
            CARD,
            "4242 4242 4242 4242",
            "4242-4242-4242-4242",
            "378282246310005",
            "ada.reader+books@example.co.uk",
        ],
    )
    def test_hides_what_looks_like_a_secret(self, secret: str) -> None:
        text = redaction.redact(f"before {secret} after.")

        assert text == "before [redacted] after."

    def test_hides_the_password_of_an_address(self) -> None:
        text = redaction.redact("postgresql://legato_app:hunter2@db:5432/legato")

        assert text == "postgresql://[redacted]@db:5432/legato"

    @pytest.mark.parametrize(
        "text",
        [
            "4242424242424241",  # fails the check digit
            "0199aabb-4242-7424-8242-424242424242",
            "lp42424242424242424242424242424242ab",
            "1764000000000",  # a time in milliseconds
            "0.4242424242424242",
            "user:reader-1",
            "payments.purchase.settled",
        ],
    )
    def test_shows_what_only_resembles_one(self, text: str) -> None:
        assert redaction.redact(text) == text

    def test_looks_into_nested_values(self) -> None:
        event = {"a": [{"b": ("ok", f"card {CARD}")}], "headers": {"Cookie": "s"}, "raw": b"x" * 9}

        assert redaction.redact(event) == {
            "a": [{"b": ["ok", "card [redacted]"]}],
            "headers": {"Cookie": "[redacted]"},
            "raw": "<9 bytes>",
        }

    def test_keeps_numbers_and_tells_a_missing_secret(self) -> None:
        event = {"amount_micros": 4242424242424242, "token": None, "email": "", "is_ok": True}

        assert redaction.redact(event) == event


class TestLines:
    def test_are_json_with_utc_time_and_level(self, lines: Lines) -> None:
        log.info("purchase_settled", purchase="p-1", coins=100)

        (line,) = lines()
        assert line.pop("at").endswith("Z")
        assert line == {
            "event": "purchase_settled",
            "level": "info",
            "logger": "tests.logging",
            "purchase": "p-1",
            "coins": 100,
        }

    def test_of_libraries_look_the_same(self, lines: Lines) -> None:
        logging.getLogger("somebody.else").warning("card %s for %s", CARD, "ada")

        (line,) = lines()
        assert line["event"] == "card [redacted] for ada"
        assert line["level"] == "warning"

    def test_carry_tracebacks_without_secrets(self, lines: Lines) -> None:
        try:
            int("sk_live_0123456789abcdef")
        except ValueError:
            log.exception("failed", token="abc")

        (line,) = lines()
        assert "ValueError: invalid literal" in line["exception"]
        assert "sk_live" not in line["exception"]
        assert line["token"] == "[redacted]"

    def test_cannot_be_forged_by_a_line_break(self, lines: Lines) -> None:
        log.info("a\r\nb", name="x\n{}\u2028y")

        (line,) = lines()
        assert line["name"] == "x\n{}\u2028y"

    def test_cannot_be_forged_on_a_console(self, console: io.StringIO) -> None:
        log.info("a\r\nb", name="x\ny\u2028z\x1b[2J")

        text = console.getvalue()
        assert text.count("\n") == 1
        assert "\x1b[2J" not in text
        assert "\u2028" not in text
        assert r"x\x0ay\u2028z\x1b[2J" in text


class TestRequests:
    def test_end_in_one_line(self, lines: Lines) -> None:
        ask(
            "/api/v1/payments/coin-packages",
            headers={"X-Request-ID": "req-1", "traceparent": TRACEPARENT},
        )

        (line,) = lines()
        assert line.pop("duration_ms") >= 0
        line.pop("at")
        assert line == {
            "event": "request",
            "level": "info",
            "logger": "legato.access",
            "method": "POST",
            "path": "/api/v1/payments/coin-packages",
            "status": 200,
            "request_id": "req-1",
            "trace_id": TRACE,
        }

    def test_name_the_actor_that_the_view_found(self, lines: Lines) -> None:
        def view(request: HttpRequest) -> HttpResponse:
            bind_contextvars(actor="user:reader-1")
            return HttpResponse()

        ask(view=view)

        assert lines()[-1]["actor"] == "user:reader-1"

    def test_of_staff_name_them(self, lines: Lines) -> None:
        def view(request: HttpRequest) -> HttpResponse:
            vars(request)["_cached_user"] = SimpleNamespace(pk=7, is_authenticated=True)
            return HttpResponse()

        ask("/admin/", view)

        assert lines()[-1]["actor"] == "staff:7"

    @pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/static/app.css"])
    def test_of_probes_and_for_files_are_quiet(self, lines: Lines, path: str) -> None:
        ask(path)

        assert lines() == []

    @pytest.mark.parametrize("given", ["a", "A.b_c-9", "x" * 64])
    def test_keep_a_harmless_id(self, given: str) -> None:
        assert ask(headers={"X-Request-ID": given})["X-Request-ID"] == given

    @pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\r\nSet-Cookie: x", "é", "<script>"])
    def test_replace_any_other_id(self, given: str) -> None:
        made = ask(headers={"X-Request-ID": given})["X-Request-ID"]

        assert re.fullmatch(r"[0-9a-f]{32}", made)

    def test_echo_a_valid_traceparent(self) -> None:
        assert ask(headers={"traceparent": TRACEPARENT})["traceparent"] == TRACEPARENT

    @pytest.mark.parametrize(
        "given",
        [
            "",
            "00-short-00f067aa0ba902b7-01",
            f"ff-{TRACE}-00f067aa0ba902b7-01",
            f"00-{'0' * 32}-00f067aa0ba902b7-01",
            f"00-{TRACE}-{'0' * 16}-01",
            f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
        ],
    )
    def test_get_a_new_trace_for_any_other(self, given: str) -> None:
        seen: list[str] = []

        def view(request: HttpRequest) -> HttpResponse:
            seen.append(get_contextvars()["trace_id"])
            return HttpResponse()

        response = ask(view=view, headers={"traceparent": given})

        assert "traceparent" not in response
        assert re.fullmatch(r"[0-9a-f]{32}", seen[0])
        assert seen[0] != TRACE

    def test_leave_no_context_behind(self) -> None:
        bind_contextvars(actor="user:somebody-else")

        def fail(request: HttpRequest) -> HttpResponse:
            assert "actor" not in get_contextvars()
            raise RuntimeError

        with pytest.raises(RuntimeError):
            ask(view=fail)

        assert get_contextvars() == {}

    def test_keep_api_answers_out_of_caches(self) -> None:
        def cacheable(request: HttpRequest) -> HttpResponse:
            return HttpResponse(headers={"Cache-Control": "public, max-age=60"})

        assert ask()["Cache-Control"] == "no-store"
        assert ask(view=cacheable)["Cache-Control"] == "public, max-age=60"
        assert "Cache-Control" not in ask("/static/x.css")

    def test_never_log_query_body_or_answer(self, lines: Lines) -> None:
        ask()

        assert not {"query", "body", "email"} & set(json.dumps(lines()).replace('"', " ").split())


class TestJobs:
    def test_carry_the_request_that_enqueued_them(self) -> None:
        headers: dict[str, Any] = {"id": "t-1"}
        bind_contextvars(request_id="req-1", trace_id=TRACE, actor="user:reader-1")

        signals.before_task_publish.send(sender="payments.sweep", headers=headers)

        assert headers == {"id": "t-1", "request_id": "req-1", "trace_id": TRACE}

    def test_are_named_on_every_line_until_they_end(self) -> None:
        class Sweep:
            name = "payments.sweep"
            request = SimpleNamespace(request_id="req-1", trace_id=TRACE)

        signals.task_prerun.send(sender=Sweep, task_id="t-1", task=Sweep)
        during = dict(get_contextvars())
        signals.task_postrun.send(sender=Sweep, task_id="t-1", task=Sweep)

        assert during == {
            "job": "payments.sweep",
            "task_id": "t-1",
            "actor": "system:payments.sweep",
            "request_id": "req-1",
            "trace_id": TRACE,
        }
        assert get_contextvars() == {}
