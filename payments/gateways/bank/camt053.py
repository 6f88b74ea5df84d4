"""Statements as ISO 20022 camt.053 (BankToCustomerStatement), of any version of the message.

Versions differ in what we do not read, and in ``Sts``, which is a text in the old ones and holds a
code in the new. https://www.iso20022.org/catalogue-messages, business area "Cash Management".
"""

import re
from collections.abc import Iterator
from datetime import date
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from legato_payments.lib.money import Money
from payments.gateways.bank import base
from payments.gateways.bank.base import WHOLE, Line, Place, Statement

_DOCUMENT = re.compile(r"\{urn:iso:std:iso:20022:tech:xsd:camt\.053\.001\.[0-9]{2}\}Document")

OPENING = ("OPBD", "PRCD")
"""Opening booked, or the closing booked balance of the statement before."""

CLOSING = ("CLBD",)

STATUSES = {"BOOK": True, "PDNG": False, "INFO": False, "FUTR": False}
"""Of an entry (EntryStatus), and whether its money has moved."""

NO_REFERENCE = "NOTPROVIDED"
"""What the message definition has a bank write for an end-to-end id that nobody gave."""


def read(content: bytes) -> Statement:
    """The booked entries of a file; several statements in it must be of one account.

    Where a statement has an opening and a closing balance, its entries must come to the difference.

    Raises:
        base.StatementUnreadable: The file, or one entry of it, is wrong; it says where and what.
    """
    root = _parse(content)
    statements = root.findall("{*}BkToCstmrStmt/{*}Stmt")
    if not statements:
        raise WHOLE.wrong("there is no statement in the file")
    parts = list(_parts(statements))
    accounts = {(part.account, part.currency) for part in parts}
    if len(accounts) > 1:
        raise WHOLE.wrong("the statements of a file must be of one account")
    lines = tuple(line for part in parts for line in part.lines)
    base.each_once(lines, _at)
    has_balances = all(part.opening is not None and part.closing is not None for part in parts)
    return Statement(
        currency=parts[0].currency,
        lines=lines,
        account=parts[0].account,
        opening=parts[0].opening if has_balances else None,
        closing=parts[-1].closing if has_balances else None,
    )


def _parse(content: bytes) -> Element:
    try:
        root: Element = ElementTree.fromstring(content, forbid_dtd=True)
    except DefusedXmlException as error:
        raise WHOLE.wrong("an XML file with a DTD or entities is not read") from error
    except (ParseError, ValueError, LookupError) as error:
        raise WHOLE.wrong(f"this is no XML ({error})") from error
    if not _DOCUMENT.fullmatch(root.tag):
        raise WHOLE.wrong(f"this is no camt.053.001 but {base.shown(root.tag)}")
    return root


def _parts(statements: list[Element]) -> Iterator[Statement]:
    number = 0
    for statement in statements:
        entries = statement.findall("{*}Ntry")
        first, number = number + 1, number + len(entries)
        opening, closing = _balance(statement, OPENING), _balance(statement, CLOSING)
        lines = [
            _line(entry, _at(index), index)
            for index, entry in enumerate(entries, start=first)
            if _is_booked(entry, _at(index))
        ]
        currency = _currency(statement, opening or closing, lines)
        for line in lines:
            if line.amount.currency != currency:
                raise _at(line.number).wrong(f"the account is in {currency}", "Amt")
        _check_sum(opening, closing, lines)
        yield Statement(currency, tuple(lines), _account(statement), opening, closing)


def _line(entry: Element, place: Place, number: int) -> Line:
    return Line(
        number=number,
        booked_on=_day(entry, place),
        amount=_amount(entry, place),
        reference=base.reference(_reference(entry), place, "AcctSvcrRef"),
        description=_description(entry, place),
    )


def _is_booked(entry: Element, place: Place) -> bool:
    status = _text(entry, "Sts/Cd") or _text(entry, "Sts")
    if status not in STATUSES:
        raise place.wrong(f"{base.shown(status)} is no status of an entry", "Sts")
    return STATUSES[status]


def _amount(holder: Element, place: Place) -> Money:
    element = _find(holder, "Amt")
    if element is None:
        raise place.wrong("the amount is missing", "Amt")
    amount = base.money((element.text or "").strip(), element.get("Ccy", ""), place, "Amt")
    match _text(holder, "CdtDbtInd"):
        case "CRDT":
            return amount
        case "DBIT":
            return -amount
    raise place.wrong("it must be CRDT or DBIT", "CdtDbtInd")


def _day(entry: Element, place: Place) -> date:
    text = _text(entry, "BookgDt/Dt") or _text(entry, "BookgDt/DtTm")[:10]
    return base.day(text, place, "BookgDt")


def _reference(entry: Element) -> str:
    """The bank's reference of the entry, else the best one that its only payment has."""
    payments = entry.findall("{*}NtryDtls/{*}TxDtls")
    found = [_text(entry, "AcctSvcrRef")]
    if len(payments) == 1:
        found.append(_text(payments[0], "Refs/AcctSvcrRef"))
    found.append(_text(entry, "NtryRef"))
    if len(payments) == 1:
        found += [_text(payments[0], f"Refs/{name}") for name in ("TxId", "EndToEndId")]
    return next((text for text in found if text and text != NO_REFERENCE), "")


def _description(entry: Element, place: Place) -> str:
    payments = "{*}NtryDtls/{*}TxDtls"
    found = [
        *entry.findall("{*}AddtlNtryInf"),
        *entry.findall(f"{payments}/{{*}}RmtInf/{{*}}Ustrd"),
        *entry.findall(f"{payments}/{{*}}RmtInf/{{*}}Strd/{{*}}CdtrRefInf/{{*}}Ref"),
        *entry.findall(f"{payments}/{{*}}Refs/{{*}}EndToEndId"),
        *entry.findall(f"{payments}/{{*}}AddtlTxInf"),
    ]
    texts = [" ".join((element.text or "").split()) for element in found]
    words = dict.fromkeys(text for text in texts if text and text != NO_REFERENCE)
    return base.plain(" · ".join(words)[: base.MAX_DESCRIPTION], place, "AddtlNtryInf")


def _balance(statement: Element, codes: tuple[str, ...]) -> Money | None:
    found = {_text(balance, "Tp/CdOrPrtry/Cd"): balance for balance in _all(statement, "Bal")}
    for code in codes:
        if code in found:
            return _amount(found[code], Place(f"balance {code}", f"/balances/{code}"))
    return None


def _currency(statement: Element, balance: Money | None, lines: list[Line]) -> str:
    said = _text(statement, "Acct/Ccy")
    if said:
        return base.money("0", said, Place("account", "/account"), "Ccy").currency
    if balance:
        return balance.currency
    if lines:
        return lines[0].amount.currency
    raise WHOLE.wrong("the currency of the account is missing")


def _account(statement: Element) -> str:
    account = _text(statement, "Acct/Id/IBAN") or _text(statement, "Acct/Id/Othr/Id")
    return base.plain(account[:64], Place("account", "/account"), "Id")


def _check_sum(opening: Money | None, closing: Money | None, lines: list[Line]) -> None:
    if opening is None or closing is None:
        return
    end = opening
    for line in lines:
        end += line.amount
    if end != closing:
        raise WHOLE.wrong(
            f"the entries lead from {opening} to {end}, and the closing balance is {closing}"
        )


def _at(number: int) -> Place:
    return Place(f"entry {number}", f"/entries/{number}")


def _find(holder: Element, path: str) -> Element | None:
    return holder.find("/".join(f"{{*}}{name}" for name in path.split("/")))


def _all(holder: Element, name: str) -> list[Element]:
    return holder.findall(f"{{*}}{name}")


def _text(holder: Element, path: str) -> str:
    found = _find(holder, path)
    return (found.text or "").strip() if found is not None else ""
