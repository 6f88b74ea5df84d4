"""The Paystack peer: key, parameters, then the operation."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from tests.peers.paystack import banks, books, controls, pages, settlements
from tests.peers.paystack.calls import ApiError, Call, control, routes, shown
from tests.peers.paystack.description import description
from tests.peers.peer import Peer
from tests.peers.routes import Route
from tests.peers.store import Json
from tests.peers.web import Answer, Request

__all__ = ["PaystackPeer", "banks", "controls", "settlements"]

NUMBERS = ("perPage", "per_page", "page", "amount", "settlement")

PAGES = {"perPage", "per_page", "page", "use_cursor", "next", "previous"}
KNOWN = {
    "transaction.list": PAGES | {"from", "to", "status", "amount", "settlement"},
    "refund.list": PAGES | {"from", "to", "transaction", "reference", "currency"},
    "dispute.list": PAGES | {"from", "to", "status", "transaction"},
    "settlement.list": PAGES | {"from", "to", "status"},
    "settlement.transactions": PAGES | {"from", "to"},
    "balance.ledger": PAGES | {"from", "to"},
    "bank.list": PAGES | {"country", "currency"},
}
"""Filters that work here: to leave one out in silence would be a lie."""

WORDS = {
    404: "Route not found",
    409: "Another request is in progress",
    429: "Too many requests",
}


class PaystackPeer(Peer):
    """A shop's integration at Paystack, in test mode."""

    name = "paystack"
    routes = routes
    control = control
    defaults: Mapping[str, Any] = {
        "automatic": False,
        "currencies": ["NGN"],
        "fee_bps": 150,
        "fee_bps_abroad": 390,
        "fee_fixed": 10_000,
        "fee_waived_below": 250_000,
        "fee_cap": 200_000,
        "refunds_become": [],
        "refuse_refunds": False,
        "verify_missing_status": 404,
    }

    def execute(self, request: Request, route: Route, ids: Json, fault: Json | None) -> Answer:
        """Do what is asked."""
        try:
            self._check_key(request)
            call = self.call(request.base)
            call.ids = ids
            call.params = self._parameters(request, route)
            self.pause(fault)
            answer = self._run(route, call)
        except ApiError as error:
            answer = error.answer()
        self._check_answer(route, answer)
        return answer

    def call(self, base: str) -> Call:
        """What the functions of the operations work with."""
        return Call(self.store, self.clock, self.options(), base)

    def trouble(self, status: int) -> Answer:
        """Paystack's words for it."""
        message = WORDS.get(status, "An error occurred")
        return Answer.of(status, {"status": False, "message": message})

    def page(self, request: Request) -> Answer:
        """The hosted page."""
        with self.store.transaction():
            return pages.show(self.call(request.base), request)

    def sign(self, body: bytes) -> Mapping[str, str]:
        """HMAC-SHA512 of the raw body by the secret key; no time, nothing else."""
        digest = hmac.new(self.key.encode(), body, hashlib.sha512).hexdigest()
        return {"x-paystack-signature": digest, "User-Agent": "Paystack/2.0"}

    def books(self) -> Json:
        """What happened to the money."""
        with self.store.transaction():
            return books.books(self.call(""))

    def warm_up(self) -> bool:
        """Load Paystack's description."""
        return description() is not None

    def _check_key(self, request: Request) -> None:
        if request.header("Authorization") != f"Bearer {self.key}":
            raise ApiError(
                401,
                "Invalid key",
                "invalid_Key",
                "Ensure that you provide the correct authorization key for the request",
            )

    def _parameters(self, request: Request, route: Route) -> Json:
        described = description()
        wrong = described.wrong_in_request(route, request) if described else ""
        if wrong:
            self.violation(route.name, "request", wrong)
            code = "missing_params" if "required" in wrong else "invalid_params"
            raise ApiError(400, wrong, code, "Provide all required params")
        given = {name for name, _ in parse_qsl(request.query, keep_blank_values=True)}
        if names := sorted(given - KNOWN[route.name] if route.name in KNOWN else ()):
            message = f"This peer does not know {', '.join(names)}"
            self.violation(route.name, "peer", message)
            raise ApiError(400, message)
        query: Json = dict(parse_qsl(request.query, keep_blank_values=True))
        for name in NUMBERS:
            if name in query:
                query[name] = int(query[name])
        if "use_cursor" in query:
            query["use_cursor"] = query["use_cursor"] == "true"
        return {**query, **request.json()}

    def _run(self, route: Route, call: Call) -> Answer:
        with self.store.transaction():
            try:
                return Answer.of(200, shown(route.function(call).body()))
            except ApiError as error:
                return error.answer()

    def _check_answer(self, route: Route, answer: Answer) -> None:
        if described := description():
            for wrong in described.wrong_in_answer(route, answer.status, answer.json()):
                self.violation(route.name, "answer", wrong)
