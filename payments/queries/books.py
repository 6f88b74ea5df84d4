"""Transactions as people read them: what each moved, and whose coins."""

from django.db.models import OuterRef, QuerySet, Subquery, Sum

from payments.enums import Unit
from payments.models import Entry, Transaction


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


def _moved_in(unit: Unit) -> str:
    return f"moved_{unit.lower()}"
