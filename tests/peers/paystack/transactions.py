"""Transactions: from the hosted page, or with a card that was kept."""

import json
import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tests.peers.paystack import customers, ledger
from tests.peers.paystack.calls import (
    DOMAIN,
    ApiError,
    Call,
    Reply,
    invalid,
    page,
    routes,
    shown,
    token,
)
from tests.peers.paystack.customers import CARDS
from tests.peers.store import Json

KIND = "transaction"
REFERENCE = re.compile(r"[A-Za-z0-9.=-]+")
MINIMUM = {"NGN": 5_000, "USD": 200}
"""Subunits."""
PAYABLE = ("abandoned", "ongoing", "failed")
"""The page of such a transaction is still open: ``abandoned`` and ``failed`` are not final."""

NOT_COMPLETED = "The transaction was not completed"


def fee(call: Call, amount: int, currency: str, country: str) -> int:
    """1.5 % + NGN 100, the 100 waived below NGN 2,500, at most NGN 2,000; abroad 3.9 %."""
    options = call.options
    is_local = currency == "NGN" and country == "NG"
    bps = options["fee_bps"] if is_local else options["fee_bps_abroad"]
    share = int((Decimal(amount) * bps / 10_000).quantize(Decimal(1), ROUND_HALF_UP))
    if currency != "NGN":
        return share
    fixed = options["fee_fixed"] if amount >= options["fee_waived_below"] else 0
    return min(share + fixed, options["fee_cap"]) if is_local else share + fixed


def _new(call: Call) -> Json:
    """Keep a transaction of which nothing is paid."""
    params = call.params
    reference = params.get("reference") or token(10)
    currency = params.get("currency", "NGN")
    if not REFERENCE.fullmatch(reference):
        raise invalid("Invalid transaction reference: use -, ., = and alphanumeric characters")
    if call.store.first(KIND, reference=reference):
        raise ApiError(
            400,
            "Duplicate Transaction Reference",
            "duplicate_reference",
            "Generate a unique reference for this transaction",
        )
    if currency not in call.options["currencies"]:
        raise invalid("Currency not supported by merchant", "unsupported_currency")
    if params["amount"] < MINIMUM[currency]:
        raise invalid("Amount is below the minimum", "invalid_amount")
    return {
        "id": call.number(),
        "domain": DOMAIN,
        # What Paystack calls a page that nobody has paid on yet.
        "status": "abandoned",
        "reference": reference,
        "receipt_number": None,
        "amount": params["amount"],
        "message": None,
        "gateway_response": NOT_COMPLETED,
        "helpdesk_link": None,
        "paid_at": None,
        "created_at": call.iso,
        "channel": "card",
        "currency": currency,
        "ip_address": "197.210.54.33",
        "metadata": _metadata(params.get("metadata")),
        "log": None,
        "fees": None,
        "fees_split": None,
        "authorization": {},
        "customer": shown(customers.by_email(call, params["email"])),
        "plan": None,
        "split": {},
        "order_id": None,
        "requested_amount": params["amount"],
        "pos_transaction_data": None,
        "source": None,
        "fees_breakdown": None,
        "connect": None,
        "subaccount": {},
        "_callback": params.get("callback_url", ""),
        "_code": token(15),
        "_settlement": None,
        "_refunded": 0,
    }


def _metadata(given: Any) -> Any:
    """An object, also when it was given as text; an empty text when it was not given."""
    if isinstance(given, str) and given:
        return json.loads(given)
    return given or ""


@routes.add("POST", "/transaction/initialize", "transaction.initialize")
def initialize(call: Call) -> Reply:
    """Open a hosted page."""
    transaction = call.store.put(KIND, _new(call))
    code = transaction["_code"]
    return Reply(
        "Authorization URL created",
        {
            "authorization_url": f"{call.base}/pay/{code}",
            "access_code": code,
            "reference": transaction["reference"],
        },
    )


@routes.add("POST", "/transaction/charge_authorization", "transaction.charge_authorization")
def charge_authorization(call: Call) -> Reply:
    """Charge a card that was kept; declined is ``data.status``, not an error."""
    params = call.params
    kept = call.store.first("authorization", authorization_code=params["authorization_code"])
    if kept is None or not kept["reusable"]:
        raise invalid("Authorization code is invalid or cannot be used", "invalid_params")
    if kept["_email"] != params["email"]:
        raise invalid(
            "Email does not match Authorization code. Authorization may be inactive or belong to a"
            " different email. Please confirm.",
        )
    transaction = call.store.put(KIND, _new(call))
    if CARDS[kept["_card"]].challenge:
        url = f"{call.base}/pay/{transaction['_code']}"
        data = {"paused": True, "reference": transaction["reference"], "authorization_url": url}
        return Reply("Please, redirect your customer to the authorization url provided", data)
    attempt(call, transaction, kept)
    names = ("amount", "currency", "status", "reference", "domain", "metadata", "channel")
    data = {
        **{name: transaction[name] for name in names},
        **{name: transaction[name] for name in ("gateway_response", "message", "ip_address")},
        **{name: transaction[name] for name in ("log", "fees", "authorization", "customer")},
        "transaction_date": transaction["created_at"],
        "plan": None,
        "id": transaction["id"],
    }
    return Reply("Charge attempted", data)


def attempt(call: Call, transaction: Json, authorization: Json) -> Json:
    """Charge a card once; there is no webhook when it is declined."""
    card = CARDS[authorization["_card"]]
    transaction["log"] = _log(call, declined=bool(card.response))
    transaction["authorization"] = customers.shown_authorization(authorization)
    if card.response:
        transaction.update(status="failed", gateway_response=card.response)
        return call.store.put(KIND, transaction)
    amount, currency = transaction["amount"], transaction["currency"]
    fees = fee(call, amount, currency, card.country)
    transaction.update(status="success", gateway_response="Successful", fees=fees, paid_at=call.iso)
    call.store.put(KIND, transaction)
    ledger.enter(call, "Transaction", transaction["id"], amount - fees, currency)
    call.tell("charge.success", _event(transaction))
    return transaction


def _log(call: Call, *, declined: bool) -> Json:
    end = "Declined" if declined else "Successfully paid with card"
    return {
        "start_time": call.now,
        "time_spent": 4,
        "attempts": 1,
        "errors": int(declined),
        "success": not declined,
        "mobile": False,
        "input": [],
        "history": [
            {"type": "action", "message": "Attempted to pay with card", "time": 3},
            {"type": "error" if declined else "success", "message": end, "time": 4},
        ],
    }


def _event(transaction: Json) -> Json:
    """What ``charge.success`` tells, with the gaps of the official sample: no fees, metadata 0."""
    names = (
        *("id", "domain", "status", "reference", "amount", "message", "gateway_response"),
        *("paid_at", "created_at", "channel", "currency", "ip_address", "log", "customer"),
        "authorization",
    )
    data = {name: transaction[name] for name in names}
    return {**data, "metadata": transaction["metadata"] or 0, "fees": None, "plan": {}}


def full(transaction: Json) -> Json:
    """A transaction as ``verify`` shows it."""
    return {
        **shown(transaction),
        "paidAt": transaction["paid_at"],
        "createdAt": transaction["created_at"],
        "transaction_date": transaction["created_at"],
        "plan_object": {},
    }


def row(transaction: Json) -> Json:
    """The same in a list, where other members are filled."""
    source = {
        "source": "merchant_api",
        "type": "api",
        "identifier": None,
        "entry_point": "transaction_initialize",
    }
    return {**full(transaction), "plan": {}, "source": source}


@routes.add("GET", "/transaction/verify/{reference}", "transaction.verify")
def verify(call: Call) -> Reply:
    """The truth about one reference."""
    found = call.store.first(KIND, reference=call.ids["reference"])
    if found is None:
        raise ApiError(
            call.options["verify_missing_status"],
            "Transaction reference not found.",
            "transaction_not_found",
            "Ensure that you're passing the reference of a transaction that exists on this"
            " integration",
        )
    return Reply("Verification successful", full(found))


@routes.add("GET", "/transaction/{id}", "transaction.fetch")
def fetch(call: Call) -> Reply:
    """One transaction by its number."""
    found = call.store.get(KIND, call.ids["id"])
    if found is None:
        raise ApiError(404, "Transaction ID or reference is invalid", "transaction_not_found")
    return Reply("Transaction retrieved", row(found))


@routes.add("GET", "/transaction", "transaction.list")
def listing(call: Call) -> Reply:
    """Transactions, by time, status, amount and settlement."""
    params = call.params
    rows = [
        row(found)
        for found in call.store.find(KIND)
        if params.get("status") in {None, found["status"]}
        and params.get("amount") in {None, found["amount"]}
        and params.get("settlement") in {None, found["_settlement"]}
    ]
    reply = page(call, "Transactions retrieved", rows)
    if reply.meta and "total" in reply.meta:
        reply.meta["total_volume"] = sum(found["amount"] for found in rows)
    return reply
