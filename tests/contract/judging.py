"""Whether an answer to a generated request is one that the description allows"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from schemathesis import Case, CheckFunction, Response
from schemathesis.core.failures import AcceptedNegativeData, FailureGroup
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from tests.contract import documents
from tests.contract.callers import Caller
from tests.security.endpoints import Endpoint

ACCEPTED = {200, 201, 202, 204, 404, 409, 412, 422}
"""How a valid request may be answered: done, or refused for what there is."""


@dataclass(frozen=True)
class Rule:
    """A rule that a schema cannot express: a valid request may be refused for it.

    Args:
        why: Why a schema cannot.
        when: What the request holds then, a regular expression; empty for anything.
    """

    pointer: str
    code: str
    why: str
    when: str = ""


_ENDS_OF_TIME = r"=(0001-01-01|9999-12-31)T"

RULES = [
    Rule("?cursor", "invalid", "a cursor is signed"),
    Rule("?from", "invalid", "years have four digits, in UTC too", _ENDS_OF_TIME),
    Rule("?to", "invalid", "years have four digits, in UTC too", _ENDS_OF_TIME),
    Rule("/birth_year", "max_value", "this year is another one next year"),
    Rule("/price_coins", "price_unclear", "the first chapters of a series are free"),
    Rule("/prices/CAD", "not_whole_minor", "a currency has its own number of digits"),
    Rule("/prices/NGN", "not_whole_minor", "a currency has its own number of digits"),
    Rule("/prices/USD", "not_whole_minor", "a currency has its own number of digits"),
    Rule("/read_percent", "not_yours", "it depends on who is asking"),
    Rule("/return_url", "foreign_origin", "our own addresses are a setting"),
    Rule("/writers", "duplicate", "a schema compares no members of two items"),
    Rule("/writers", "shares_incomplete", "a schema does not add up"),
    Rule("", "precondition_required", "one of two headers is needed, either of them"),
]

PROBLEM = "application/problem+json"

BULK = "PUT access/content"
"""It takes what is right, and says of each item whether it was."""

CARD_NUMBER = "card_number"
"""In any text, and no pattern tells it from another number."""


@dataclass(frozen=True)
class Request:
    """A generated request, and who sends it."""

    endpoint: Endpoint
    caller: Caller
    is_open: bool
    case: Case[Any]

    @property
    def is_valid(self) -> bool:
        """Whether nothing in it is wrong, as far as the description says."""
        assert self.case.meta is not None
        return self.case.meta.generation.mode.is_positive

    @property
    def about(self) -> str:
        """What is right or wrong with it, in words."""
        assert self.case.meta is not None
        return self.case.meta.phase.data.description or ""


@dataclass(frozen=True)
class Fault:
    """Something about an answer that should not be."""

    title: str
    request: Request
    told: str

    @property
    def kind(self) -> tuple[str, str]:
        """Faults of one kind have one cause, most of the time."""
        return self.title, str(self.request.endpoint)

    def __str__(self) -> str:
        return f"{self.title}\n{self.request.endpoint} as {self.request.caller.name}\n{self.told}"


def faults(
    request: Request, response: Response, headers: dict[str, str], *, try_without_token: bool
) -> Iterator[Fault]:
    """Everything wrong with an answer.

    All checks of Schemathesis run that are about one answer, but ``positive_data_acceptance``: it
    knows statuses only, while we know for what a valid request may be refused (``_is_accepted``).

    Args:
        headers: Those that were sent besides the generated ones.
        try_without_token: Also see that the request is refused without and with a bad token.
    """
    excluded: list[CheckFunction] = [positive_data_acceptance]
    if not try_without_token:
        excluded.append(ignored_auth)
    try:
        request.case.validate_response(response, headers=headers, excluded_checks=excluded)
    except FailureGroup as group:
        for failure in group.exceptions:
            if not _is_told_by_item(request, response, failure):
                yield Fault(type(failure).__name__, request, _told(response, str(failure)))
    if request.is_open and request.is_valid and not _is_accepted(response):
        yield Fault("RefusedThoughValid", request, _told(response))
    if not request.is_open and response.status_code < 300:
        yield Fault("OpenedToStranger", request, _told(response))


def _is_accepted(response: Response) -> bool:
    if response.status_code in ACCEPTED:
        return True
    if PROBLEM not in response.headers.get("content-type", ()):
        return False
    document = response.json()
    named = [(error["pointer"], error["code"]) for error in document.get("errors", [])]
    reasons = named or [("", document["code"])]
    sent = unquote(f"{response.request.url} {response.request.body!r}")
    allowed = {(rule.pointer, rule.code) for rule in RULES if re.search(rule.when, sent)}
    return all(reason in allowed or reason[1] == CARD_NUMBER for reason in reasons)


def _is_told_by_item(request: Request, response: Response, failure: BaseException) -> bool:
    """Whether each item with something wrong is called invalid in its own result."""
    if not isinstance(failure, AcceptedNegativeData) or str(request.endpoint) != BULK:
        return False
    items: Any = request.case.body
    wrong = [documents.faults_of("ContentItemInputRequest", item) for item in items["items"]]
    results = response.json()["results"]
    told = [result["status"] == "invalid" for result in results]
    return any(wrong) and all(told[index] for index, faults in enumerate(wrong) if faults)


def _told(response: Response, message: str = "") -> str:
    sent = response.request
    body = sent.body[:500] if sent.body else ""
    lines = (
        message,
        f"{sent.method} {sent.url} {body!r}",
        f"{response.status_code} {response.text[:500]}",
    )
    return "\n".join(lines)
