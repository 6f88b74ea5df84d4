"""Banks, and whose an account is."""

from tests.peers.paystack.calls import ApiError, Call, Reply, page, routes
from tests.peers.store import Json

DATE = "2020-12-07T16:19:09.000Z"
NAMES = {
    "044": "Access Bank",
    "058": "Guaranty Trust Bank",
    "057": "Zenith Bank",
    "033": "United Bank For Africa",
    "999992": "OPay Digital Services Limited (OPay)",
    "001": "Test Bank",
}
NO_ACCOUNT = "0000000000"
"""The account number of nobody."""


def _bank(number: int, code: str, name: str) -> Json:
    return {
        "name": name,
        "slug": name.lower().replace(" ", "-"),
        "code": code,
        "longcode": f"{code}150000",
        "gateway": None,
        "pay_with_bank": False,
        "supports_transfer": True,
        "available_for_direct_debit": False,
        "active": True,
        "is_deleted": False,
        "country": "Nigeria",
        "currency": "NGN",
        "type": "nuban",
        "id": number,
        "createdAt": DATE,
        "updatedAt": DATE,
    }


@routes.add("GET", "/bank", "bank.list")
def listing(call: Call) -> Reply:
    """The banks of Nigeria; by cursor always."""
    params = call.params
    asked = (params.get("currency", "NGN"), params.get("country", "nigeria"))
    rows = [_bank(place, code, NAMES[code]) for place, code in enumerate(sorted(NAMES), 1)]
    call.params = {**params, "use_cursor": True}
    return page(call, "Banks retrieved", rows if asked == ("NGN", "nigeria") else [], "createdAt")


@routes.add("GET", "/bank/resolve", "bank.resolve")
def resolve(call: Call) -> Reply:
    """The name an account is in."""
    number, code = call.params.get("account_number", ""), call.params.get("bank_code", "")
    if len(number) != 10 or code not in NAMES or number == NO_ACCOUNT:
        raise ApiError(
            422,
            "Could not resolve account name. Check parameters or try again.",
            "invalid_params",
        )
    return Reply(
        "Account number resolved",
        {
            "account_number": number,
            "account_name": f"WRITER {number[-4:]}",
            "bank_id": sorted(NAMES).index(code) + 1,
        },
    )
