"""Banks, and who holds an account there: asked before anybody is paid."""

from dataclasses import dataclass

from payments.gateways.paystack import errors, fields
from payments.gateways.paystack.client import PER_PAGE, Client
from payments.gateways.paystack.fields import text

MAX_PAGES = 100


@dataclass(frozen=True, slots=True)
class Bank:
    """A bank that Paystack can pay to. ``code`` is its CBN code, which ``resolve`` takes."""

    code: str
    name: str
    kind: str
    """``nuban`` for a Nigerian bank account."""


@dataclass(frozen=True, slots=True)
class AccountHolder:
    """Whose account it is, by the bank itself."""

    account_number: str
    name: str


def list_all(client: Client, currency: str) -> list[Bank]:
    """The active banks of a currency, in Paystack's order."""
    banks: list[Bank] = []
    query = {"currency": currency, "use_cursor": "true", "perPage": str(PER_PAGE)}
    for _ in range(MAX_PAGES):
        answer = client.get("/bank", query)
        if not isinstance(answer.data, list):
            raise errors.unreadable("no list of banks")
        rows = [fields.members(row) for row in answer.data]
        banks += [
            Bank(text(row.get("code")), text(row.get("name")), text(row.get("type")))
            for row in rows
            if row.get("active") is not False and row.get("is_deleted") is not True
        ]
        following = text(answer.meta.get("next"))
        # The official sample has the word "null" for what is not there.
        if following in ("", "null", query.get("next")):
            return banks
        query = {**query, "next": following}
    raise errors.unreadable("the list of banks does not end")


def resolve(client: Client, number: str, bank_code: str) -> AccountHolder:
    """Who holds the account.

    Raises:
        InvalidRequest: The bank does not know it.
    """
    answer = client.get("/bank/resolve", {"account_number": number, "bank_code": bank_code})
    row = fields.row_of(answer.data)
    name = text(row.get("account_name"))
    if not name:
        raise errors.unreadable("no name of the account's holder")
    return AccountHolder(account_number=text(row.get("account_number")) or number, name=name)
