"""Every endpoint and every identity: who may, and that everybody else changes nothing

The table is ``endpoints.ENDPOINTS``, written from api.md, section 4. A route that is missing in it
fails here. Each cell is one request.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver, resolve
from pytest_django import DjangoAssertNumQueries
from structlog.testing import capture_logs

from legato_payments.lib.api import checks, tokens
from legato_payments.lib.api.permissions import SERVICE_SCOPES, USER_SCOPES
from tests.clients import ApiClient, api
from tests.ledger import books
from tests.security.endpoints import (
    ENDPOINTS,
    NOBODY,
    OTHER_READER,
    OTHER_WRITER,
    READER,
    UNKNOWN_ID,
    WRITER,
    Endpoint,
    World,
    make_world,
    send,
    undone,
)

pytestmark = pytest.mark.django_db

UNAUTHENTICATED, FORBIDDEN, HIDDEN = 401, 403, 404
ANYWHERE = World(READER, WRITER, "chapter-4", *[UNKNOWN_ID] * 5)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


@dataclass(frozen=True)
class Cell:
    """One identity, and the status it gets from one endpoint."""

    identity: str
    caller: ApiClient
    status: int


@pytest.fixture
def world() -> World:
    """Two readers, two writers, and what the requests are about."""
    return make_world()


def bearer(token: str) -> ApiClient:
    """A caller with this very token."""
    caller = ApiClient()
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return caller


def cells(endpoint: Endpoint) -> Iterator[Cell]:
    """Every identity and what it may expect of the endpoint."""
    if endpoint.owner == "all":
        yield from _of_everybody(endpoint)
        return
    yield Cell("anonymous", api(), UNAUTHENTICATED)
    yield from _users(endpoint)
    yield from _services(endpoint)
    yield from _bad_tokens(endpoint, UNAUTHENTICATED)


def _of_everybody(endpoint: Endpoint) -> Iterator[Cell]:
    yield Cell("anonymous", api(), endpoint.ok)
    yield Cell("a reader", api(user=READER), endpoint.ok)
    yield Cell("a limited reader", api(user=READER, scopes=["payouts:request"]), endpoint.ok)
    yield Cell("a writer", api(user=WRITER, roles=["writer"]), endpoint.ok)
    yield Cell("a service", api(service="any"), endpoint.ok)
    # A token that is shown must be good, even where none is needed.
    yield from _bad_tokens(endpoint, UNAUTHENTICATED if endpoint.checks_tokens else endpoint.ok)


def _users(endpoint: Endpoint) -> Iterator[Cell]:
    owners = {"user": READER, "transaction": READER, "writer": WRITER, "author": WRITER}
    owner = owners.get(endpoint.owner)
    roles = ["writer"] if owner == WRITER else []
    is_own = owner is not None
    mine = endpoint.ok if is_own else FORBIDDEN
    theirs = HIDDEN if endpoint.owner in {"transaction", "author"} else FORBIDDEN
    everything = SERVICE_SCOPES | USER_SCOPES

    yield Cell("the owner", api(user=owner or READER, roles=roles), mine)
    caller = api(user=owner or READER, roles=roles, scopes=["openid", "profile"])
    yield Cell("the owner, scopes of other services", caller, mine)
    for scope in sorted(USER_SCOPES):
        caller = api(user=owner or READER, roles=roles, scopes=[scope, "openid"])
        passes = is_own and scope in endpoint.limited
        yield Cell(f"the owner, limited to {scope}", caller, endpoint.ok if passes else FORBIDDEN)
    caller = api(user=owner or READER, roles=roles, scopes=endpoint.services)
    passes = is_own and (
        not endpoint.services & USER_SCOPES or bool(endpoint.services & endpoint.limited)
    )
    yield Cell("the owner, scopes of services", caller, endpoint.ok if passes else FORBIDDEN)
    if owner == WRITER:
        yield Cell("the owner, no writer", api(user=WRITER), FORBIDDEN)
        yield Cell("the owner, other role", api(user=WRITER, roles=["Writer", "staff"]), FORBIDDEN)
    for name, other in (("reader", OTHER_READER), ("writer", OTHER_WRITER)):
        as_writer = ["writer"]
        yield Cell(f"another {name}", api(user=other, roles=as_writer), theirs)
        caller = api(user=other, roles=as_writer, scopes=everything)
        yield Cell(f"another {name}, every scope", caller, theirs)
    # RFC 8693 lets a user's token name an actor; it opens nothing of that actor's.
    caller = api(user=OTHER_READER, act=owner or READER, roles=["writer"], scopes=everything)
    yield Cell("another reader, acting", caller, theirs)


def _services(endpoint: Endpoint) -> Iterator[Cell]:
    def service(*scopes: str, **claims: Any) -> ApiClient:
        return api(service="any", scopes=scopes, **claims)

    yield Cell("a service without scopes", service(), FORBIDDEN)
    yield Cell("a service, scopes of users", service(*(USER_SCOPES - SERVICE_SCOPES)), FORBIDDEN)
    for scope in sorted(SERVICE_SCOPES):
        status = endpoint.ok if scope in endpoint.services else FORBIDDEN
        yield Cell(f"a service with {scope}", service(scope), status)
        caller = service(scope, act=READER)
        if scope == endpoint.delegated:
            status = endpoint.ok
        yield Cell(f"a service with {scope}, acting", caller, status)
    wrong = SERVICE_SCOPES - endpoint.services - {endpoint.delegated}
    yield Cell("a service, every wrong scope", service(*wrong, act=READER), FORBIDDEN)
    caller = service(*SERVICE_SCOPES - endpoint.services, act=OTHER_READER)
    yield Cell("a service acting for another", caller, FORBIDDEN)
    caller = service(*(scope.upper() for scope in SERVICE_SCOPES))
    yield Cell("a service, scopes in capitals", caller, FORBIDDEN)


def _bad_tokens(endpoint: Endpoint, status: int) -> Iterator[Cell]:
    owner = {"writer": WRITER, "author": WRITER, "": "service:any"}.get(endpoint.owner, READER)
    claims: dict[str, Any] = {"roles": ["writer"], "scopes": endpoint.services}
    if owner != "service:any":
        claims["scopes"] = ()
    good = tokens.issue(owner, **claims)
    head, _, rest = good.partition(".")
    stranger = tokens.issue(NOBODY, **claims)
    bad = {
        "expired": tokens.issue(owner, lifetime_seconds=-31, **claims),
        "for another audience": tokens.issue(owner, aud="elsewhere", **claims),
        "of another issuer": tokens.issue(owner, iss="https://elsewhere.example", **claims),
        "forged": f"{head}.{rest.partition('.')[0]}.{stranger.rpartition('.')[2]}",
        "unsigned": f"{head}.{rest.partition('.')[0]}.",
        "without a subject": tokens.issue(owner, **{**claims, "sub": ""}),
        "no token": "not-a-token",
        "empty": "",
    }
    for name, token in bad.items():
        yield Cell(f"a token that is {name}", bearer(token), status)


def problem(response: Any) -> dict[str, Any]:
    """A problem document, apart from what names the request."""
    assert response.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["status"] == response.status_code
    return {name: document[name] for name in document if name not in {"instance", "trace_id"}}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
def test_the_endpoint_is_open_to_whom_the_table_says(endpoint: Endpoint, world: World) -> None:
    before = books.fingerprint(with_keys=True)
    for cell in cells(endpoint):
        with undone(), capture_logs() as logs, CaptureQueriesContext(connection) as queries:
            response = send(endpoint, world, cell.caller)
            assert response.status_code == cell.status, (cell.identity, response.content)
            if cell.status == HIDDEN:
                assert books.fingerprint(with_keys=True) == before, cell.identity
            elif cell.status != endpoint.ok:
                # Whoever may not come in does not get as far as the database.
                assert len(queries) == 0, cell.identity
                assert {log["event"] for log in logs} & {"access_denied", "authentication_failed"}
            if cell.status != endpoint.ok:
                _assert_refused(endpoint, world, cell, response)


def _assert_refused(endpoint: Endpoint, world: World, cell: Cell, response: Any) -> None:
    told = problem(response)
    codes = {401: "unauthenticated", 403: "forbidden", 404: "not_found"}
    assert told["code"] == codes[cell.status]
    if cell.status == UNAUTHENTICATED:
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
    # What is not there is refused in the same words.
    missing = send(
        endpoint,
        world,
        cell.caller,
        user=NOBODY,
        writer=NOBODY,
        content="no-such-chapter",
        transaction=UNKNOWN_ID,
        package=UNKNOWN_ID,
    )
    assert problem(missing) == told, cell.identity


def test_every_route_is_in_the_table() -> None:
    routes = {
        (method.upper(), route.removeprefix("^"))
        for route, pattern in checks.routes(get_resolver())
        if route.startswith("api/v1/")
        # Not a viewset: whatever it takes, it cannot be in the table.
        for method in getattr(pattern.callback, "actions", {"any": ""})
        if method != "head"
    }

    tabled = [(endpoint.method, _route(endpoint)) for endpoint in ENDPOINTS]
    assert sorted(tabled) == sorted(routes)


def _route(endpoint: Endpoint) -> str:
    path = ANYWHERE.fill(endpoint.path)
    return resolve(f"/api/v1/{path}").route.replace("/^", "/").removeprefix("^")


def test_every_scope_of_the_vocabulary_that_is_used_is_in_the_table() -> None:
    opening = {scope for endpoint in ENDPOINTS for scope in endpoint.services}
    opening |= {endpoint.delegated for endpoint in ENDPOINTS} - {""}
    declared = set()
    for route, pattern in checks.routes(get_resolver()):
        view = getattr(pattern.callback, "cls", None)
        if route.startswith("api/v1/") and view is not None:
            for action in checks.actions_of(pattern):
                for rule in view.access[action]:
                    names = ("scope", "or_scope", "delegated")
                    declared |= {getattr(rule, name, None) for name in names} - {None}
    assert declared == opening


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
def test_other_methods_are_refused_whoever_asks(
    endpoint: Endpoint, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    declared = {other.method for other in ENDPOINTS if other.path == endpoint.path}

    for method in METHODS:
        if method in declared or (method == "HEAD" and "GET" in declared):
            continue
        with django_assert_num_queries(0):
            response = api().generic(method, f"/api/v1/{ANYWHERE.fill(endpoint.path)}")
        assert response.status_code == 405, method
        if method != "HEAD":
            assert problem(response)["code"] == "method_not_allowed"
