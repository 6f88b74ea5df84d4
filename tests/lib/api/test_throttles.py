"""Rate limits of the API: 429, RateLimit-Policy, RateLimit, Retry-After"""

import re
import socket
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, RequestFactory
from django.urls import include, path, resolve
from drf_spectacular.generators import SchemaGenerator
from prometheus_client import REGISTRY
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from legato_payments.lib.api import tokens
from legato_payments.lib.api.auth import Principal
from legato_payments.lib.api.permissions import AccessRules, AnyUser, Public, Service
from legato_payments.lib.api.throttles import rate_class_of
from legato_payments.lib.api.views import ApiViewSet
from legato_payments.lib.throttling import limiter
from legato_payments.lib.throttling.addresses import UNKNOWN, client_address
from legato_payments.lib.throttling.gcra import Limit, LocalLimits
from legato_payments.lib.throttling.policies import (
    Policy,
    RateClass,
    check_policies,
    policy,
)

HOUR = 3600


class ThingViewSet(ApiViewSet):
    """/api/v1/things: one action per class of requests."""

    access: ClassVar[AccessRules] = {
        "list": [AnyUser(), Service("access:read")],
        "create": [AnyUser(), Service("access:read")],
        "pay": [AnyUser(), Service("access:read")],
        "window": [Public()],
        "deliver": [Public()],
    }
    rate_classes = {"pay": RateClass.MONEY, "deliver": RateClass.WEBHOOK}

    def list(self, request: Request) -> Response:
        return Response([])

    def create(self, request: Request) -> Response:
        return Response({}, status=201)

    @action(detail=False, methods=["post"])
    def pay(self, request: Request) -> Response:
        return Response({}, status=201)

    @action(detail=False)
    def window(self, request: Request) -> Response:
        return Response({})

    @action(detail=False, methods=["post"])
    def deliver(self, request: Request) -> Response:
        return Response({})


router = SimpleRouter(trailing_slash=False)
router.register("things", ThingViewSet, basename="things")
urlpatterns = [path("api/v1/", include(router.urls))]

THINGS = "/api/v1/things"
here = pytest.mark.urls(__name__)


@pytest.fixture(autouse=True)
def limits(settings: Any) -> Iterator[None]:
    """Every class lets a few requests an hour through, each another number of them."""
    settings.RATE_LIMITS_ENABLED = True
    settings.RATE_LIMITS = {
        "read": "5/3600",
        "write": "3/3600",
        "money": "2/3600",
        "service": "8/3600",
        "anonymous": "4/3600",
        "webhook": "6/3600",
        "address": "20/3600",
    }
    limiter._limiter.cache_clear()
    yield
    limiter._limiter.cache_clear()


@pytest.fixture
def no_redis(settings: Any) -> None:
    """Nobody listens where Redis should."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"


@pytest.fixture
def silent_redis(settings: Any) -> Iterator[None]:
    """Somebody listens where Redis should, and never says anything."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        settings.REDIS_URL = f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        yield


def caller(subject: str | None = "reader-1", **claims: Any) -> Client:
    """A client with a token of its own, or none."""
    if subject is None:
        return Client()
    return Client(headers={"authorization": f"Bearer {tokens.issue(subject, **claims)}"})


def send(client: Client, method: str = "GET", path: str = THINGS, **extra: Any) -> Any:
    """One request without a body."""
    return client.generic(method, path, **extra)


def statuses(client: Client, times: int, method: str = "GET", path: str = THINGS) -> list[int]:
    return [send(client, method, path).status_code for _ in range(times)]


def refused(name: str) -> float:
    return REGISTRY.get_sample_value("legato_rate_limited_total", {"policy": name}) or 0.0


@here
class TestQuota:
    def test_the_headers_count_down(self) -> None:
        client = caller()

        first, second = send(client), send(client)

        assert first["RateLimit-Policy"] == '"read";q=5;w=3600, "address";q=20;w=3600'
        assert first["RateLimit"] == '"read";r=4;t=720, "address";r=19;t=180'
        assert re.fullmatch(
            r'"read";r=3;t=1(440|439), "address";r=18;t=3(60|59)', second["RateLimit"]
        )

    def test_one_too_many_is_refused_with_the_time_to_wait(self) -> None:
        client, before = caller(), refused("read")

        assert statuses(client, 5) == [200] * 5
        response = send(client)

        assert response.status_code == 429
        assert response["Content-Type"] == "application/problem+json"
        assert response.json()["code"] == "rate_limited"
        assert "'read'" in response.json()["detail"]
        assert 700 < int(response["Retry-After"]) <= 720
        assert response["RateLimit"].startswith('"read";r=0;t=3600')
        assert refused("read") == before + 1

    def test_a_refused_request_uses_nothing_up(self) -> None:
        client = caller()
        statuses(client, 5)

        # Of the address, too: 20 are its quota.
        assert statuses(client, 20) == [429] * 20
        assert '"address";r=15' in send(client)["RateLimit"]

    def test_classes_and_people_are_counted_apart(self) -> None:
        client = caller()

        assert statuses(client, 6) == [200] * 5 + [429]
        assert statuses(client, 4, "POST") == [201] * 3 + [429]
        assert statuses(client, 3, "POST", f"{THINGS}/pay") == [201] * 2 + [429]
        assert statuses(caller("reader-2"), 6) == [200] * 5 + [429]

    def test_the_same_person_with_another_token_is_the_same(self) -> None:
        statuses(caller(), 5)

        assert statuses(caller(email="reader@example.com"), 1) == [429]

    def test_an_address_has_a_quota_for_all_its_people_together(self) -> None:
        for number in range(4):
            assert statuses(caller(f"reader-{number}"), 5) == [200] * 5

        assert statuses(caller("reader-9"), 1) == [429]
        assert send(caller("reader-9"), REMOTE_ADDR="198.51.100.7").status_code == 200

    def test_services_have_one_of_their_own_and_none_for_the_address(self) -> None:
        client = caller("service:content", scopes=["access:read"])

        response = send(client)

        assert response["RateLimit-Policy"] == '"service";q=8;w=3600'
        assert statuses(client, 8, "POST") == [201] * 7 + [429]

    def test_strangers_are_counted_by_address(self) -> None:
        stranger = caller(None)

        assert statuses(stranger, 5, path=f"{THINGS}/window") == [200] * 4 + [429]
        other = send(stranger, path=f"{THINGS}/window", REMOTE_ADDR="198.51.100.7")
        assert other.status_code == 200

    def test_guessing_tokens_counts_as_a_stranger(self) -> None:
        guesser = Client(headers={"authorization": "Bearer a.b.c"})

        assert statuses(guesser, 5) == [401] * 4 + [429]

    def test_what_is_forbidden_counts_too(self) -> None:
        client = caller("service:content")

        assert statuses(client, 9) == [403] * 8 + [429]
        assert "RateLimit" in send(client).headers

    def test_webhooks_are_counted_by_address_and_apart(self) -> None:
        stranger = caller(None)
        statuses(stranger, 4, path=f"{THINGS}/window")

        found = statuses(stranger, 7, "POST", f"{THINGS}/deliver")

        assert found == [200] * 6 + [429]

    def test_switched_off_there_is_none(self, settings: Any) -> None:
        settings.RATE_LIMITS_ENABLED = False
        client = caller()

        assert statuses(client, 10) == [200] * 10
        assert "RateLimit" not in send(client).headers


@here
class TestWithoutRedis:
    def test_a_process_limits_by_itself_at_half_the_quota(self, no_redis: None) -> None:
        client = caller()

        response = send(client)

        assert response["RateLimit-Policy"] == '"read";q=2;w=3600, "address";q=10;w=3600'
        assert statuses(client, 3) == [200, 429, 429]

    def test_who_can_pay_is_never_refused(self, no_redis: None) -> None:
        client = caller()
        statuses(client, 4)

        assert statuses(client, 30, "POST", f"{THINGS}/pay") == [201] * 30

    def test_who_has_no_token_is_no_payer(self, no_redis: None) -> None:
        stranger = caller(None)

        assert statuses(stranger, 4, "POST", f"{THINGS}/pay") == [401, 401, 429, 429]

    def test_a_silent_server_delays_one_request_and_not_every_one(self, silent_redis: None) -> None:
        client, started = caller(), time.monotonic()

        assert statuses(client, 50, "POST", f"{THINGS}/pay") == [201] * 50

        # Each of them waiting its 0.2 s would be ten seconds.
        assert time.monotonic() - started < 5

    def test_it_is_shared_again_when_redis_is_back(self, settings: Any) -> None:
        now = [0.0]
        found = limiter.Limiter(
            settings.REDIS_URL,
            prefix=settings.CACHES["default"]["KEY_PREFIX"],
            clock=lambda: now[0],
        )
        asked = [Limit(policy(RateClass.READ), "read:reader-1")]
        found._circuit.failed()

        assert found.admit(asked) is None
        now[0] += limiter.PAUSE_SECONDS
        verdict = found.admit(asked)

        assert verdict is not None
        assert verdict.standings[0].remaining == 4
        assert found._circuit.lets_through()

    def test_one_caller_asks_again_and_the_others_go_on(self) -> None:
        now = [0.0]
        circuit = limiter.Circuit(clock=lambda: now[0])
        circuit.failed()
        now[0] += limiter.PAUSE_SECONDS

        assert [circuit.lets_through() for _ in range(3)] == [True, False, False]


class TestTime:
    def test_a_request_comes_back_after_its_interval(self) -> None:
        now = [1000.0]
        local = LocalLimits(clock=lambda: now[0])
        asked = [Limit(Policy("read", 4, 60), "read:reader-1")]
        for _ in range(4):
            assert local.admit(asked).allowed

        assert not local.admit(asked).allowed
        now[0] += 14.9
        assert local.admit(asked).standings[0].retry_seconds == 1
        now[0] += 0.2
        assert local.admit(asked).allowed
        assert not local.admit(asked).allowed

    def test_all_of_it_is_back_after_the_window(self) -> None:
        now = [1000.0]
        local = LocalLimits(clock=lambda: now[0])
        asked = [Limit(Policy("read", 7, 60), "read:reader-1")]
        assert [local.admit(asked).allowed for _ in range(8)] == [True] * 7 + [False]

        now[0] += 60

        assert [local.admit(asked).allowed for _ in range(8)] == [True] * 7 + [False]

    def test_the_server_gives_requests_back_too(self) -> None:
        asked = [Limit(Policy("read", 1, 1), "read:reader-1")]
        shared = limiter.limiter()
        first, second = shared.admit(asked), shared.admit(asked)
        assert first is not None
        assert second is not None
        assert (first.allowed, second.allowed) == (True, False)

        give_up = time.monotonic() + 30
        while not (again := shared.admit(asked)) or not again.allowed:
            assert time.monotonic() < give_up
            time.sleep(0.05)

    def test_one_process_remembers_a_bounded_number_of_callers(self) -> None:
        local = LocalLimits(clock=lambda: 0.0, max_keys=10)
        rule = Policy("read", 1, HOUR)

        for number in range(100):
            local.admit([Limit(rule, f"read:reader-{number}")])

        assert len(local._times) == 10
        assert not local.admit([Limit(rule, "read:reader-99")]).allowed


class TestAddress:
    @pytest.mark.parametrize(
        ("peer", "forwarded", "expected"),
        [
            ("203.0.113.9", "", "203.0.113.9"),
            # No proxy of ours wrote it.
            ("203.0.113.9", "198.51.100.7", "203.0.113.9"),
            ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
            # What stands before our proxy's own entry, the caller may have sent.
            ("10.0.0.1", "192.0.2.1, 198.51.100.7", "198.51.100.7"),
            ("10.0.0.1", "192.0.2.1, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
            ("10.0.0.1", "nonsense", "10.0.0.1"),
            ("10.0.0.1", "192.0.2.1, nonsense", "10.0.0.1"),
            ("10.0.0.1", "10.0.0.3", "10.0.0.3"),
            ("", "198.51.100.7", UNKNOWN),
            ("", "", UNKNOWN),
            ("2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::/64"),
            ("::ffff:203.0.113.9", "", "203.0.113.9"),
            ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ],
    )
    def test_a_forwarded_one_is_believed_from_our_proxies_only(
        self, settings: Any, peer: str, forwarded: str, expected: str
    ) -> None:
        settings.TRUSTED_PROXIES = ["10.0.0.0/24"]
        extra: dict[str, Any] = {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {}

        assert client_address(RequestFactory().get("/", REMOTE_ADDR=peer, **extra)) == expected

    def test_a_proxy_on_our_unix_socket_is_named_unix(self, settings: Any) -> None:
        settings.TRUSTED_PROXIES = ["unix"]
        request = RequestFactory().get("/", REMOTE_ADDR="", HTTP_X_FORWARDED_FOR="198.51.100.7")

        assert client_address(request) == "198.51.100.7"


class TestPolicies:
    @pytest.mark.parametrize("text", ["", "60", "0/60", "60/0", "-1/60", "1.5/60", "9999999/1"])
    def test_what_cannot_be_read_is_refused_at_the_start(self, settings: Any, text: str) -> None:
        settings.RATE_LIMITS = {**settings.RATE_LIMITS, "read": text}

        (fault,) = check_policies()

        assert fault.id == "legato.E014"
        with pytest.raises(ImproperlyConfigured):
            policy(RateClass.READ)

    def test_a_class_that_does_not_exist_is_refused_too(self, settings: Any) -> None:
        settings.RATE_LIMITS = {**settings.RATE_LIMITS, "raed": "5/60"}

        assert len(check_policies()) == 1

    def test_those_of_the_settings_are_fine(self) -> None:
        assert check_policies() == []

    @pytest.mark.parametrize(
        ("method", "subject", "declared", "expected"),
        [
            ("GET", "reader-1", None, RateClass.READ),
            ("HEAD", "reader-1", None, RateClass.READ),
            ("DELETE", "reader-1", None, RateClass.WRITE),
            ("POST", "reader-1", RateClass.MONEY, RateClass.MONEY),
            ("POST", "service:shop", RateClass.MONEY, RateClass.SERVICE),
            ("POST", None, RateClass.MONEY, RateClass.ANONYMOUS),
            ("POST", None, RateClass.WEBHOOK, RateClass.WEBHOOK),
        ],
    )
    def test_a_request_is_of_one_class(
        self, method: str, subject: str | None, declared: RateClass | None, expected: RateClass
    ) -> None:
        principal = Principal(subject, "issuer") if subject else None

        assert rate_class_of(method, principal, declared) is expected


def test_whatever_needs_an_idempotency_key_is_of_the_money_class() -> None:
    schema: Any = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    keyed = [
        (address, method)
        for address, operations in schema["paths"].items()
        for method, operation in operations.items()
        for parameter in operation.get("parameters", [])
        if parameter["name"] == "Idempotency-Key" and parameter.get("required")
    ]

    assert keyed
    for address, method in keyed:
        found: Any = resolve(re.sub(r"{\w+}", "01930000-0000-7000-8000-000000000005", address)).func
        declared = found.cls.rate_classes.get(found.actions[method])
        assert declared is RateClass.MONEY, f"{method} {address}"
