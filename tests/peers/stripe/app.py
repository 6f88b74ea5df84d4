"""The Stripe peer: key, version, parameters, idempotency; then the operation."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.peers.faults import Fault
from tests.peers.peer import Peer
from tests.peers.routes import Route
from tests.peers.store import Json
from tests.peers.stripe import books, controls, events, form, lists, pages, schema, tax
from tests.peers.stripe.calls import VERSION, ApiError, Call, control, new_id, routes
from tests.peers.stripe.ledger import DAY
from tests.peers.stripe.unknown import UNKNOWN
from tests.peers.web import Answer, Request

__all__ = ["StripePeer", "controls", "tax"]

KEY_LENGTH = 255
KEPT_SECONDS = DAY
"""How long Stripe promises to know an idempotency key."""

KIND = "_idempotency"

NUMBERS = (
    *("amount", "unit_amount", "quantity", "limit", "expires_at"),
    *("created", "arrival_date", "gt", "gte", "lt", "lte"),
)

WORDS = {
    404: "Unrecognized request URL. Please see https://stripe.com/docs or we can help at"
    " https://support.stripe.com/.",
    409: "There is currently another in-progress request using this Stripe-Idempotency-Key. Please"
    " retry.",
    429: "Request rate limit exceeded. Learn more about rate limits here:"
    " https://docs.stripe.com/rate-limits.",
}


class StripePeer(Peer):
    """A shop's account at Stripe, in test mode."""

    name = "stripe"
    routes = routes
    control = control
    defaults: Mapping[str, Any] = {
        "automatic": False,
        "webhook_secrets": ["whsec_peer"],
        "settle_in": {},
        "rates": {"cad:usd": "0.73"},
        "fee_bps": 290,
        "fee_fixed": 30,
        "dispute_fee": 1_500,
        "dispute_fee_returned": False,
        "late_balance_transactions": False,
        "refund_fee": 0,
        "refund_status": "succeeded",
        "refuse_refunds": False,
    }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._in_use: set[str] = set()
        self._in_use_lock = threading.Lock()

    def execute(self, request: Request, route: Route, ids: Json, fault: Json | None) -> Answer:
        """Do what is asked."""
        request_id = new_id("req_", 14)
        headers = {"Request-Id": request_id, "Stripe-Version": VERSION}
        try:
            self._check_key(request)
            self._check_version(request, route)
            call = self.call(request.base, request_id)
            call.ids = ids
            call.params = self._parameters(request, route)
            self._check_known(route, call.params)
            call.key = self._key(request)
            answer = self._once(request, route, call, fault)
        except ApiError as error:
            answer = error.answer()
        if key := request.header("Idempotency-Key"):
            headers["Idempotency-Key"] = key
        self._check_answer(route, answer)
        return Answer(answer.status, answer.body, {**headers, **answer.headers})

    def call(self, base: str, request_id: str | None = None) -> Call:
        """What the functions of the operations work with."""
        return Call(self.store, self.clock, self.options(), base, request_id=request_id)

    def trouble(self, status: int) -> Answer:
        """Stripe's words for it."""
        kind = "invalid_request_error" if status < 500 else "api_error"
        error: Json = {"message": WORDS.get(status, "An unknown error occurred."), "type": kind}
        if status == 409:
            error["code"] = "idempotency_key_in_use"
        if status == 429:
            error["code"] = "rate_limit"
        return Answer.of(status, {"error": error}, {"Request-Id": new_id("req_", 14)})

    def page(self, request: Request) -> Answer:
        """The hosted page."""
        with self.store.transaction():
            call = self.call(request.base)
            answer = pages.show(call, request)
        self.check_events(call)
        return answer

    def sign(self, body: bytes) -> Mapping[str, str]:
        """A signature of now, by every secret there is."""
        secrets = self.option("webhook_secrets")
        return {
            "Stripe-Signature": events.signature(body, secrets, self.clock.now()),
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }

    def books(self) -> Json:
        """What happened to the money."""
        with self.store.transaction():
            return books.books(self.call(""))

    def warm_up(self) -> bool:
        """Load Stripe's description."""
        return schema.description() is not None

    def check_events(self, call: Call) -> None:
        """Compare what was told with the description."""
        if described := schema.description():
            for event in call.told:
                for body in (event, event["data"]["object"]):
                    for wrong in described.wrong_in_object(body):
                        self.violation(event["type"], "event", wrong)

    def _check_key(self, request: Request) -> None:
        given = request.header("Authorization")
        if given.startswith("Basic "):
            given = base64.b64decode(given[6:]).decode().partition(":")[0]
        given = given.removeprefix("Bearer ")
        if given == self.key:
            return
        shown = f"{given[:8]}****{given[-4:]}"
        message = (
            f"Invalid API Key provided: {shown}" if given else "You did not provide an API key."
        )
        raise ApiError(401, message, stored=False)

    def _check_version(self, request: Request, route: Route) -> None:
        version = request.header("Stripe-Version")
        if version not in {"", VERSION}:
            message = f"Invalid Stripe API version: {version}"
            self.violation(route.name, "request", message)
            raise ApiError(400, message, stored=False)

    def _parameters(self, request: Request, route: Route) -> Json:
        text = request.body.decode() if request.method == "POST" else request.query
        described = schema.description()
        try:
            given = form.decode(text)
            return described.parameters(route, given) if described else _guessed(given)
        except schema.WrongRequest as wrong:
            self.violation(route.name, "request", f"{wrong.param}: {wrong}")
            raise ApiError(
                400, str(wrong), stored=False, param=wrong.param, code=wrong.code
            ) from wrong
        except ValueError as wrong:
            self.violation(route.name, "request", str(wrong))
            raise ApiError(400, str(wrong), stored=False) from wrong

    def _check_known(self, route: Route, params: Json) -> None:
        if names := sorted(UNKNOWN.get(route.name, set()) & set(params)):
            message = f"This peer does not know {', '.join(names)}"
            self.violation(route.name, "peer", message)
            raise ApiError(400, message, stored=False)

    def _key(self, request: Request) -> str | None:
        key = request.header("Idempotency-Key")
        if len(key) > KEY_LENGTH:
            raise ApiError(
                400, f"Idempotency-Key is longer than {KEY_LENGTH} characters", stored=False
            )
        return key if key and request.method == "POST" else None

    def _once(self, request: Request, route: Route, call: Call, fault: Json | None) -> Answer:
        """The first answer of a key, for as long as it is known."""
        if call.key is None:
            self.pause(fault)
            answer, _ = self._run(route, call)
            return answer
        with self._using(call.key):
            text = f"{request.path}\n{json.dumps(call.params, sort_keys=True)}"
            fingerprint = hashlib.sha256(text.encode()).hexdigest()
            known = self.store.get(KIND, call.key)
            if known and known["created"] + KEPT_SECONDS > call.now:
                return _replayed(known, request, fingerprint)
            self.pause(fault)
            # The answer is kept in the transaction of what it tells: never one without the other.
            with self.store.transaction():
                answer, is_kept = self._run(route, call)
                if is_kept:
                    kept = self._kept(answer, fault)
                    self._keep(request, call, fingerprint, kept)
        return answer

    def _kept(self, answer: Answer, fault: Json | None) -> Answer:
        """What a key is answered with from now on.

        A 500 of the API is the answer of its key. Any other status comes from something in front
        of the API, and the key keeps the true answer.
        """
        is_500 = fault and fault["kind"] == Fault.ERROR_AFTER and fault["status"] == 500
        return self.trouble(500) if is_500 else answer

    def _keep(self, request: Request, call: Call, fingerprint: str, answer: Answer) -> None:
        self.store.put(
            KIND,
            {
                "id": call.key,
                "path": request.path,
                "fingerprint": fingerprint,
                "status": answer.status,
                "body": answer.body.decode(),
                "request_id": call.request_id,
                "created": call.now,
            },
        )

    def _run(self, route: Route, call: Call) -> tuple[Answer, bool]:
        """The answer, and whether it belongs to the key."""
        is_kept = True
        with self.store.transaction():
            try:
                answer = Answer.of(200, lists.whole(call, route.function(call)))
            except ApiError as error:
                answer, is_kept = error.answer(), error.stored
        self.check_events(call)
        return answer, is_kept

    @contextmanager
    def _using(self, key: str) -> Iterator[None]:
        with self._in_use_lock:
            is_free = key not in self._in_use
            self._in_use.add(key)
        if not is_free:
            error = self.trouble(409).json()["error"]
            message, kind = error.pop("message"), error.pop("type")
            raise ApiError(409, message, kind=kind, stored=False, **error)
        try:
            yield
        finally:
            with self._in_use_lock:
                self._in_use.discard(key)

    def _check_answer(self, route: Route, answer: Answer) -> None:
        if described := schema.description():
            for wrong in described.wrong_in_answer(route, answer.status, answer.json()):
                self.violation(route.name, "answer", wrong)


def _replayed(known: Json, request: Request, fingerprint: str) -> Answer:
    if known["path"] != request.path:
        raise ApiError(
            400,
            "Keys for idempotent requests can only be used for the same endpoint they were first"
            f" used for ('{known['path']}' vs '{request.path}'). Try using a key other than"
            f" '{known['id']}' if you meant to execute a different request.",
            kind="idempotency_error",
            stored=False,
        )
    if known["fingerprint"] != fingerprint:
        raise ApiError(
            400,
            "Keys for idempotent requests can only be used with the same parameters they were first"
            f" used with. Try using a key other than '{known['id']}' if you meant to execute a"
            " different request.",
            kind="idempotency_error",
            stored=False,
        )
    headers = {"Idempotent-Replayed": "true", "Original-Request": known["request_id"]}
    return Answer(known["status"], known["body"].encode(), headers)


def _guessed(value: Any, name: str = "") -> Any:
    """Numbers by their names, truth by its looks, where there is no description to say."""
    if name == "metadata":
        return value
    if isinstance(value, dict):
        return {inner: _guessed(part, inner) for inner, part in value.items()}
    if isinstance(value, list):
        return [_guessed(part) for part in value]
    if value in {"true", "false"}:
        return value == "true"
    return int(value) if name in NUMBERS and value.isdecimal() else value
