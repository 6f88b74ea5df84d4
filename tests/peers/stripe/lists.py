"""Lists with pages, and the ids in answers made whole."""

from typing import Any

from tests.peers.store import Json
from tests.peers.stripe.calls import Call, invalid, public

PREFIXES = {
    "cs_test_": "checkout.session",
    "pi_": "payment_intent",
    "ch_": "charge",
    "cus_": "customer",
    "pm_": "payment_method",
    "re_": "refund",
    "du_": "dispute",
    "txn_": "balance_transaction",
    "po_": "payout",
    "evt_": "event",
}

OPTIONAL = {("refund", "failure_balance_transaction")}
"""Properties that can be expanded and are missing where there is nothing to tell."""
INCLUDABLE = {
    ("checkout.session", "line_items"): "_line_items",
    ("charge", "refunds"): "_refunds",
    ("tax.calculation", "line_items"): "_line_items",
}
"""What an object shows only when it is asked for."""

TIMES = ("created", "arrival_date")
DEPTH = 4
COMPARE = {
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
}


def page(call: Call, url: str, kind: str, **equals: Any) -> Json:
    """The page of a list the call asks for, newest first.

    Args:
        equals: Members that must be so; ``None`` for a filter the caller did not use.
    """
    wanted = {name: value for name, value in equals.items() if value is not None}
    return page_of(call, url, call.store.find(kind, **wanted))


def page_of(call: Call, url: str, found: list[Json]) -> Json:
    """The same of objects found already."""
    params = call.params
    limit = params.get("limit", 10)
    if not 1 <= limit <= 100:
        raise invalid("Limit must be between 1 and 100.", "limit")
    rows = [row for row in found if all(_in_range(row, params, name) for name in TIMES)]
    rows.sort(key=lambda row: (row.get("created", 0), row["_seq"]), reverse=True)
    rows = _after(call, rows)
    if "ending_before" in params:
        return _listing(rows[-limit:], url, has_more=len(rows) > limit)
    return _listing(rows[:limit], url, has_more=len(rows) > limit)


def _in_range(row: Json, params: Json, name: str) -> bool:
    wanted = params.get(name)
    if wanted is None:
        return True
    if isinstance(wanted, int):
        return bool(row[name] == wanted)
    return all(COMPARE[how](row[name], value) for how, value in wanted.items())


def _after(call: Call, rows: list[Json]) -> list[Json]:
    for name in ("starting_after", "ending_before"):
        if (cursor := call.params.get(name)) is None:
            continue
        places = [place for place, row in enumerate(rows) if row["id"] == cursor]
        if not places:
            raise invalid(f"No such object: '{cursor}'", name, "resource_missing")
        return rows[places[0] + 1 :] if name == "starting_after" else rows[: places[0]]
    return rows


def _listing(rows: list[Json], url: str, *, has_more: bool) -> Json:
    return {"object": "list", "data": rows, "has_more": has_more, "url": url}


def whole(call: Call, body: Json) -> Json:
    """The answer with everything in it that ``expand`` asks for, and nothing that is ours.

    Raises:
        ApiError: A property that cannot be expanded.
    """
    for path in call.params.get("expand", []):
        parts = path.split(".")
        if len(parts) > DEPTH + (body.get("object") == "list"):
            raise invalid("You cannot expand more than 4 levels of a property.", "expand")
        _expand(call, body, parts, path)
    shown: Json = public(body)
    return shown


def _expand(call: Call, body: Json, parts: list[str], path: str) -> None:
    head, rest = parts[0], parts[1:]
    hidden = INCLUDABLE.get((body.get("object", ""), head))
    if hidden and head not in body:
        body[head] = _included(call, body, hidden)
    if head not in body:
        if (body.get("object"), head) in OPTIONAL:
            return
        raise invalid(f"This property cannot be expanded ({path}).", "expand")
    value = body[head]
    if isinstance(value, list):
        body[head] = value = [_loaded(call, item) for item in value]
    else:
        body[head] = value = _loaded(call, value)
    if rest:
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                _expand(call, item, rest, path)


def _loaded(call: Call, value: Any) -> Any:
    if isinstance(value, str):
        for prefix, kind in PREFIXES.items():
            if value.startswith(prefix):
                return call.store.get(kind, value) or value
    return value


def _included(call: Call, body: Json, hidden: str) -> Json:
    if hidden == "_refunds":
        rows = call.store.find("refund", charge=body["id"])[::-1]
        url = f"/v1/charges/{body['id']}/refunds"
    else:
        rows = body[hidden]
        base = (
            "/v1/checkout/sessions"
            if body["object"] == "checkout.session"
            else "/v1/tax/calculations"
        )
        url = f"{base}/{body['id']}/line_items"
    return _listing(rows, url, has_more=False)
