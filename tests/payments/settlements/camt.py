"""camt.053 files, written by the message definition (ISO 20022, Bank-to-Customer Statement)."""

from collections.abc import Sequence

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001."


def entry(
    amount: str = "38.53",
    *,
    side: str = "CRDT",
    currency: str = "USD",
    day: str = "2026-11-05",
    status: str = "<Sts><Cd>BOOK</Cd></Sts>",
    reference: str = "<AcctSvcrRef>B-1</AcctSvcrRef>",
    details: str = "",
    info: str = "SANDBOX PAYOUT",
) -> str:
    """An ``Ntry`` in the order of the schema; the reference stands where a bank would put it."""
    return (
        f'<Ntry><Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd>{status}'
        f"<BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{day}</Dt></ValDt>{reference}"
        f"<BkTxCd><Prtry><Cd>X</Cd></Prtry></BkTxCd>{details}"
        f"<AddtlNtryInf>{info}</AddtlNtryInf></Ntry>"
    )


def balance(code: str, amount: str, *, side: str = "CRDT", currency: str = "USD") -> str:
    """A ``Bal`` of one type."""
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
        f'<Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd>'
        "<Dt><Dt>2026-11-05</Dt></Dt></Bal>"
    )


def statement(
    *entries: str,
    balances: Sequence[str] = (),
    account: str = "<IBAN>GB33BUKB20201555555555</IBAN>",
    currency: str = "<Ccy>USD</Ccy>",
) -> str:
    """A ``Stmt``."""
    return (
        "<Stmt><Id>S1</Id><CreDtTm>2026-11-05T23:00:00Z</CreDtTm>"
        f"<Acct><Id>{account}</Id>{currency}</Acct>{''.join(balances)}{''.join(entries)}</Stmt>"
    )


def document(*statements: str, version: str = "08", prefix: str = "") -> bytes:
    """A whole file."""
    body = "<GrpHdr><MsgId>M1</MsgId><CreDtTm>2026-11-05T23:00:00Z</CreDtTm></GrpHdr>" + "".join(
        statements
    )
    text = (
        f'<Document xmlns="{NAMESPACE}{version}"><BkToCstmrStmt>{body}</BkToCstmrStmt></Document>'
    )
    if prefix:
        text = text.replace("</", f"</{prefix}:").replace("<", f"<{prefix}:")
        text = text.replace(f"<{prefix}:/{prefix}:", f"</{prefix}:")
        text = text.replace("xmlns=", f"xmlns:{prefix}=")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
