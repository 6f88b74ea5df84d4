"""Who may do what: own resources for users, scopes for services, nothing by default."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from structlog.testing import capture_logs

from legato_payments.lib.api.auth import Principal
from legato_payments.lib.api.permissions import AnyUser, Own, Public, Service, owns

pytestmark = pytest.mark.urls("tests.lib.api.endpoints")

GetAs = Callable[..., Any]

MINE = "/api/v1/users/reader-1"
THEIRS = "/api/v1/users/reader-2"


def test_a_user_opens_own_resources(get_as: GetAs) -> None:
    assert get_as("reader-1", f"{MINE}/balance").status_code == 200
    assert get_as("reader-1", f"{MINE}/profile").status_code == 200


def test_anothers_resource_is_refused_as_one_that_does_not_exist(get_as: GetAs) -> None:
    existing = get_as("reader-1", f"{THEIRS}/balance")
    missing = get_as("reader-1", "/api/v1/users/nobody/balance")

    assert existing.status_code == missing.status_code == 403
    same = ("type", "title", "status", "detail", "code")
    assert [existing.json()[name] for name in same] == [missing.json()[name] for name in same]
    assert existing.json().keys() == missing.json().keys()


def test_nobody_in_particular_is_asked_for_a_token(client: Client) -> None:
    response = client.get(f"{MINE}/balance")

    assert response.status_code == 401
    assert response.json()["code"] == "unauthenticated"


def test_an_action_without_a_rule_is_closed_to_everybody(client: Client, get_as: GetAs) -> None:
    assert client.get(f"{MINE}/undeclared").status_code == 401
    assert get_as("reader-1", f"{MINE}/undeclared").status_code == 403
    assert get_as("service:x", f"{MINE}/undeclared", scopes=["balances:read"]).status_code == 403


def test_a_token_limited_to_reading_coins_reads_coins_only(get_as: GetAs) -> None:
    limited = {"scopes": ["coins:read", "openid"]}

    assert get_as("reader-1", f"{MINE}/balance", **limited).status_code == 200
    assert get_as("reader-1", f"{MINE}/spend", method="POST", **limited).status_code == 403
    assert get_as("reader-1", f"{MINE}/profile", **limited).status_code == 403
    assert get_as("reader-1", "/api/v1/echo/whoami", **limited).status_code == 403


def test_scopes_of_other_services_limit_nothing(get_as: GetAs) -> None:
    scopes = ["openid", "profile", "coins:write", "coins:readx"]

    assert get_as("reader-1", f"{MINE}/profile", scopes=scopes).status_code == 200


def test_a_user_gains_nothing_from_the_scope_of_a_service(get_as: GetAs) -> None:
    response = get_as("reader-1", f"{THEIRS}/balance", scopes=["balances:read"])

    assert response.status_code == 403


def test_a_role_is_needed_beside_the_own_id(get_as: GetAs) -> None:
    path = "/api/v1/users/writer-1/earnings"

    assert get_as("writer-1", path, roles=["writer"]).status_code == 200
    assert get_as("writer-1", path).status_code == 403
    assert get_as("writer-2", path, roles=["writer"]).status_code == 403
    assert get_as("service:x", path, roles=["writer"]).status_code == 403
    assert get_as("service:x", path, scopes=["earnings:read"]).status_code == 200


def test_a_service_opens_what_its_scope_says_for_any_user(get_as: GetAs) -> None:
    for path in (MINE, THEIRS):
        assert get_as("service:x", f"{path}/balance", scopes=["balances:read"]).status_code == 200
        assert get_as("service:x", f"{path}/balance", scopes=["coins:read"]).status_code == 403
        assert get_as("service:x", f"{path}/balance").status_code == 403


def test_a_service_is_never_an_owner(get_as: GetAs) -> None:
    assert get_as("service:x", "/api/v1/users/service:x/balance").status_code == 403
    assert get_as("service:x", "/api/v1/users/service:x/profile").status_code == 403


def test_a_service_spends_only_for_the_user_its_token_names(get_as: GetAs) -> None:
    scopes = ["coins:spend:delegated"]

    def spend(**claims: Any) -> int:
        response = get_as("service:x", f"{MINE}/spend", method="POST", **claims)
        return int(response.status_code)

    assert spend(scopes=scopes, act="reader-1") == 200
    assert spend(scopes=scopes, act="reader-2") == 403
    assert spend(scopes=scopes) == 403
    assert spend(act="reader-1") == 403


def test_a_user_cannot_act_for_another(get_as: GetAs) -> None:
    response = get_as(
        "reader-2", f"{MINE}/spend", method="POST", scopes=["coins:spend:delegated"], act="reader-1"
    )

    assert response.status_code == 403


def test_a_denial_leaves_a_line_in_the_log(get_as: GetAs, client: Client) -> None:
    with capture_logs() as lines:
        get_as("reader-1", f"{THEIRS}/balance")
        client.get(f"{MINE}/balance", headers={"authorization": "Bearer x"})
        client.get(f"{MINE}/balance")

    denied = [line for line in lines if line["event"] == "access_denied"]
    assert [line["actor"] for line in denied] == ["user:reader-1", None]
    assert denied[0]["action"] == "UsersViewSet.balance"
    assert denied[0]["path"] == f"{THEIRS}/balance"
    assert [line["event"] for line in lines].count("authentication_failed") == 1


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/users/a b/balance",
        "/api/v1/users/%00/balance",
        f"/api/v1/users/{'x' * 65}/balance",
        "/api/v1/users/ü/balance",
    ],
)
def test_what_is_no_id_is_not_found(get_as: GetAs, path: str) -> None:
    assert get_as("reader-1", path).status_code == 404


def test_a_scope_outside_the_vocabulary_is_a_mistake_in_our_code() -> None:
    with pytest.raises(AssertionError):
        Service("packages:writ")
    with pytest.raises(AssertionError):
        AnyUser(user_scope="packages:write")
    with pytest.raises(AssertionError):
        Own(or_scope="coins:read")


def test_public_is_open_to_everybody() -> None:
    assert Public().allows(None, {})


def test_owns_asks_for_the_owner_or_the_scope() -> None:
    reader = Principal(subject="reader-1", issuer="x", scopes=frozenset({"transactions:read"}))
    service = Principal(subject="service:x", issuer="x", scopes=frozenset({"transactions:read"}))

    assert owns(reader, "reader-1", or_scope="transactions:read")
    assert not owns(reader, "reader-2", or_scope="transactions:read")
    assert owns(service, "reader-2", or_scope="transactions:read")
    assert not owns(service, "reader-2", or_scope="balances:read")
    assert not owns(service, "service:x")
