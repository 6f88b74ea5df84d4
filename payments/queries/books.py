"""The books as people read them: what a transaction moved, what an account holds."""

from django.db.models import F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from payments.enums import Unit
from payments.models import Account, Entry, Transaction


def with_moved(transactions: QuerySet[Transaction]) -> QuerySet[Transaction]:
    """Transactions that also know what they moved (``moved``) and whose coins (``reader``)."""
    entries = Entry.objects.filter(transaction=OuterRef("pk")).order_by()
    debits = {
        _moved_in(unit): Subquery(
            entries.filter(unit=unit, amount__gt=0)
            .values("unit")
            .annotate(total=Sum("amount"))
            .values("total")
        )
        for unit in Unit
    }
    wallets = entries.filter(account__code="wallet").values("account__owner_id")
    return transactions.annotate(reader=Subquery(wallets[:1]), **debits)


def moved(transaction: Transaction) -> list[tuple[str, int]]:
    """Unit and sum of the debits, which is also that of the credits; of ``with_moved`` rows."""
    sums = ((str(unit), getattr(transaction, _moved_in(unit), None)) for unit in Unit)
    return [(unit, total) for unit, total in sums if total]


def with_balance(accounts: QuerySet[Account]) -> QuerySet[Account]:
    """Accounts that also know their ``balance``: the sum of all entries, on their normal side."""
    total = (
        Entry.objects.filter(account=OuterRef("pk"))
        .order_by()
        .values("account")
        .annotate(total=Sum("amount"))
        .values("total")
    )
    return accounts.annotate(balance=F("normal_side") * Coalesce(Subquery(total), 0))


def balance(*, code: str, unit: str) -> int:
    """What all accounts of one code hold together in one unit, on their normal side."""
    entries = Entry.objects.filter(account__code=code, unit=unit)
    signed = Sum(F("amount") * F("account__normal_side"), default=0)
    total: int = entries.aggregate(total=signed)["total"]
    return total


def _moved_in(unit: Unit) -> str:
    return f"moved_{unit.lower()}"
