"""The chart of accounts (ledger.md, section 4): every code, what it is, and who owns it."""

from dataclasses import dataclass

from payments.models.ledger import Account

Type = Account.Type
Owner = Account.Owner
Mode = Account.Mode


@dataclass(frozen=True, slots=True)
class ChartEntry:
    """What every account under one code has in common."""

    type: Account.Type
    owner: Account.Owner = Account.Owner.PLATFORM
    mode: Account.Mode = Account.Mode.DERIVED

    @property
    def normal_side(self) -> int:
        """1 when the account grows by debits, -1 when by credits."""
        return 1 if self.type in (Type.ASSET, Type.EXPENSE, Type.POSITION) else -1


CHART: dict[str, ChartEntry] = {
    "gateway": ChartEntry(Type.ASSET),
    "bank": ChartEntry(Type.ASSET),
    "coins_issued": ChartEntry(Type.POSITION),
    "wallet": ChartEntry(Type.LIABILITY, Owner.USER, Mode.GUARDED),
    "coins_deferred": ChartEntry(Type.LIABILITY),
    "tax_payable": ChartEntry(Type.LIABILITY),
    "writer": ChartEntry(Type.LIABILITY, Owner.WRITER),
    "platform": ChartEntry(Type.INCOME),
    "fees": ChartEntry(Type.EXPENSE),
    "fx": ChartEntry(Type.POSITION),
    "promo_cost": ChartEntry(Type.EXPENSE),
    "breakage": ChartEntry(Type.INCOME),
    "adjustment": ChartEntry(Type.EXPENSE),
    "refund_in_flight": ChartEntry(Type.LIABILITY),
    "dispute_hold": ChartEntry(Type.ASSET),
    "dispute_loss": ChartEntry(Type.EXPENSE),
    "goodwill": ChartEntry(Type.EXPENSE),
    "receivable": ChartEntry(Type.ASSET, Owner.USER),
    "rounding": ChartEntry(Type.INCOME),
}
"""Keyed by the part of the code before the colon: ``gateway:stripe`` is a ``gateway``.

An account joins the chart with the first template that uses it.
"""


@dataclass(frozen=True, slots=True)
class AccountRef:
    """An account by its name; it is opened when first posted to, unless it is guarded."""

    code: str
    unit: str
    owner_id: str = ""

    @property
    def head(self) -> str:
        """The chart's key: ``gateway`` of ``gateway:stripe``."""
        return self.code.partition(":")[0]

    @property
    def chart(self) -> ChartEntry:
        """What the chart says of it. A code outside the chart is a bug in a template."""
        return CHART[self.head]


def wallet(user_id: str) -> AccountRef:
    """A reader's coins: what we owe them in reading."""
    return AccountRef("wallet", "COIN", user_id)


def coins_issued() -> AccountRef:
    """Every coin in circulation: the other side of all wallets."""
    return AccountRef("coins_issued", "COIN")


def coins_deferred() -> AccountRef:
    """USD value of all coins not used yet."""
    return AccountRef("coins_deferred", "USD")


def writer(writer_id: str) -> AccountRef:
    """What a writer earned and was not paid yet, USD."""
    return AccountRef("writer", "USD", writer_id)


def platform(stream: str) -> AccountRef:
    """Our part of a stream, for example ``platform:content``."""
    return AccountRef(f"platform:{stream.lower()}", "USD")


def gateway(provider: str, currency: str) -> AccountRef:
    """Money a provider holds for us."""
    return AccountRef(f"gateway:{provider.lower()}", currency)


def gateway_fees(currency: str) -> AccountRef:
    """What providers kept for their work."""
    return AccountRef("fees:gateway", currency)


def tax_payable(jurisdiction: str, currency: str) -> AccountRef:
    """Sales tax taken for a tax office, for example ``tax_payable:CA-QC``."""
    return AccountRef(f"tax_payable:{jurisdiction}", currency)


def fx(currency: str) -> AccountRef:
    """The position in one currency that conversions leave behind."""
    return AccountRef("fx", currency)


def promo_cost() -> AccountRef:
    """What funded campaigns cost us, USD: writers are paid for these coins, too."""
    return AccountRef("promo_cost", "USD")


def breakage() -> AccountRef:
    """USD value of coins that expired unused."""
    return AccountRef("breakage", "USD")


def adjustment(currency: str = "USD") -> AccountRef:
    """What finance corrected by hand: the value of coins it gave, less what it took."""
    return AccountRef("adjustment", currency)


def refund_in_flight(currency: str) -> AccountRef:
    """Money on its way back to payers."""
    return AccountRef("refund_in_flight", currency)


def dispute_hold(currency: str) -> AccountRef:
    """Money that gateways took because of disputes nobody has decided yet."""
    return AccountRef("dispute_hold", currency)


def dispute_loss() -> AccountRef:
    """What lost disputes, and debts that readers never paid, cost us, USD."""
    return AccountRef("dispute_loss", "USD")


def dispute_fees(currency: str) -> AccountRef:
    """What providers kept for disputes."""
    return AccountRef("fees:dispute", currency)


def goodwill() -> AccountRef:
    """What we gave back beyond the worth of the coins, USD."""
    return AccountRef("goodwill", "USD")


def receivable(user_id: str) -> AccountRef:
    """What a reader owes us for lost disputes and refunds that were paid twice, USD."""
    return AccountRef("receivable:user", "USD", user_id)


def rounding() -> AccountRef:
    """Parts of a cent that refunds leave behind, USD."""
    return AccountRef("rounding", "USD")


def bank(currency: str) -> AccountRef:
    """Our bank account in one currency."""
    return AccountRef("bank", currency)
