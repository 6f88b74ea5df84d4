"""No malformed request breaks anything: never a 5xx, never off the description, nothing moved

Thousands of requests, each a valid one with one thing wrong. ``mutants`` makes them.
"""

import json
import random
from typing import Any

import pytest
from django.db.transaction import set_rollback

from payments.gateways.sandbox import signatures
from tests.clients import ApiClient, idempotency_key
from tests.contract import documents
from tests.ledger import books
from tests.security.endpoints import (
    ENDPOINTS,
    Endpoint,
    World,
    allowed,
    make_world,
    savepoint,
    signature,
)
from tests.security.mutants import Mutant, mutants

pytestmark = pytest.mark.django_db

SEED = 20261102
SAMPLE = 100
"""Mutants of one endpoint that also a quick run sends; which ones, the seed says."""


def valid_request(endpoint: Endpoint, world: World) -> Mutant:
    """What the mutants are made from."""
    body = endpoint.body
    if not isinstance(body, bytes):
        body = b"" if body is None else world.fill(json.dumps(body)).encode()
    return Mutant(
        name="valid",
        method=endpoint.method,
        path=f"/api/v1/{world.fill(endpoint.path)}",
        body=body,
        headers=endpoint.headers,
    )


def send(mutant: Mutant, caller: ApiClient, *, keyed: bool, signed: bytes) -> Any:
    """Send it; what a refusal did stays, what a success did is undone."""
    headers: dict[str, str] = {**(idempotency_key() if keyed else {}), **mutant.headers}
    if signed:
        headers[signatures.HEADER] = signature(signed)
    with savepoint():
        response = caller.generic(
            mutant.method,
            mutant.path,
            mutant.body,  # type: ignore[arg-type]
            mutant.content_type,
            headers=headers,
        )
        if response.status_code < 400:
            set_rollback(True)
    return response


def assert_answered_well(mutant: Mutant, response: Any) -> None:
    """Not a 5xx, as described to the last member; a refusal has a code that is documented."""
    status = response.status_code
    told = (mutant.name, mutant.path[:200], status, response.content[:300])
    assert status < 500, told
    assert not (mutant.is_hopeless and _was_taken(response)), told
    assert "X-Injected" not in response.headers, told
    assert _faults(response) == [], told
    if status >= 400:
        document = response.json()
        assert document["status"] == status == documents.documented_codes().get(document["code"]), (
            told
        )
        assert document["type"] == f"/problems/{document['code']}", told
        assert document["title"], told
        assert document["detail"], told


def _faults(response: Any) -> list[str]:
    request = response.wsgi_request
    found = documents.find_operation(request.method, request.path)
    if found is None:
        return documents.faults_of_unknown(response)
    return documents.faults_of_answer(found[1], response)


def _was_taken(response: Any) -> bool:
    if response.status_code >= 400:
        return False
    # A bulk delivery is taken in parts: what is wrong in one is said in its own result.
    document = json.loads(response.content or b"{}")
    statuses = {result.get("status") for result in document.get("results", [])}
    return statuses != {"invalid"}


@pytest.mark.parametrize(
    "part", [slice(SAMPLE), pytest.param(slice(SAMPLE, None), marks=pytest.mark.slow)],
    ids=["sample", "rest"],
)  # fmt: skip
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
def test_is_refused_in_form_and_moves_nothing(endpoint: Endpoint, part: slice) -> None:
    world = make_world()
    valid = valid_request(endpoint, world)
    signed = valid.body if isinstance(endpoint.body, bytes) else b""
    caller = allowed(endpoint, raise_request_exception=False)
    assert send(valid, caller, keyed=endpoint.has_key, signed=signed).status_code == endpoint.ok
    corpus = list(
        mutants(valid, query=endpoint.query, has_key=endpoint.has_key, is_raw=bool(signed))
    )
    random.Random(f"{SEED} {endpoint}").shuffle(corpus)
    before = books.fingerprint()

    for mutant in corpus[part]:
        response = send(mutant, caller, keyed=endpoint.has_key, signed=signed)
        assert_answered_well(mutant, response)

    assert books.fingerprint() == before
