"""manage.py reverse_transaction: a sale or a tip taken back whole"""

from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db.models import Sum

from access.models import Entitlement
from access.queries import decisions
from access.services import content, tips
from payments.ledger import chart
from payments.models import AuditEntry, CoinBalance, CoinLot, Entry, Transaction
from revenue.models import Earning
from tests import factories
from tests.factories import NOW, READER

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff() -> str:
    """The login of somebody in finance."""
    get_user_model().objects.create_user("mona", is_staff=True)
    return "mona"


def reverse(transaction_id: object, staff: str) -> str:
    """Run the command; what it prints is the id of the reversal."""
    out = StringIO()
    call_command(
        "reverse_transaction",
        str(transaction_id),
        "--staff",
        staff,
        "--reason",
        "bought by mistake",
        stdout=out,
    )
    return out.getvalue().strip()


def writer_balance(writer_id: str) -> int:
    """What the books owe a writer, USD micros."""
    account = chart.writer(writer_id)
    entries = Entry.objects.filter(
        account__code=account.code, account__owner_id=account.owner_id, unit="USD"
    )
    return -int(entries.aggregate(total=Sum("amount", default=0))["total"])


def test_a_sale_taken_back_returns_coins_earnings_and_right(staff: str) -> None:
    factories.buy_coins(name="Starter Pack")
    factories.put_content("chapter-4", price=33, shares={"ann": 6_000, "bob": 4_000})
    sale = content.buy(user_id=READER, content_id="chapter-4", now=NOW, actor="user:reader-1")
    assert writer_balance("ann") > 0

    reversal_id = reverse(sale.entitlement.transaction_id, staff)

    wallet = CoinBalance.objects.get(user_id=READER)
    assert (wallet.coins, wallet.purchased, wallet.lifetime_refunded) == (100, 100, 33)
    restored = CoinLot.objects.get(origin="RESTORED")
    assert sale.burned is not None
    assert restored.value_micros == sale.burned.value_micros
    assert restored.parent_id == sale.burned.slices[0].lot_id
    assert writer_balance("ann") == writer_balance("bob") == 0
    assert Earning.objects.aggregate(sum=Sum("amount_micros"))["sum"] == 0
    assert set(Earning.objects.values_list("matures_at", flat=True).distinct()) == set(
        Earning.objects.filter(reverses=None).values_list("matures_at", flat=True)
    )
    assert not decisions.decide(user_id=READER, content_id="chapter-4", now=NOW).granted
    assert Entitlement.objects.get().revoked_at is not None
    audit = AuditEntry.objects.get(action="access.transaction.reversed")
    assert audit.after == {"reversal_id": reversal_id}
    assert audit.reason == "bought by mistake"


def test_the_same_chapter_can_be_bought_again_afterwards(staff: str) -> None:
    factories.buy_coins(name="Starter Pack")
    factories.put_content("chapter-4", price=33)
    first = content.buy(user_id=READER, content_id="chapter-4", now=NOW, actor="user:reader-1")
    reverse(first.entitlement.transaction_id, staff)

    second = content.buy(user_id=READER, content_id="chapter-4", now=NOW, actor="user:reader-1")

    assert second.charged
    assert second.entitlement.pk != first.entitlement.pk
    assert CoinBalance.objects.get(user_id=READER).coins == 67


def test_nothing_is_taken_back_twice(staff: str) -> None:
    factories.buy_coins(name="Starter Pack")
    factories.put_content("chapter-4")
    tip = tips.send(sender_id=READER, recipient_id="writer-1", coins=20, now=NOW, actor="user:r")
    reverse(tip.tip.transaction_id, staff)
    before = Transaction.objects.count()

    with pytest.raises(CommandError, match="taken back already"):
        reverse(tip.tip.transaction_id, staff)

    assert Transaction.objects.count() == before
    assert CoinBalance.objects.get(user_id=READER).coins == 100


def test_a_coin_purchase_is_refused_since_its_money_is_elsewhere(staff: str) -> None:
    purchase = factories.buy_coins(name="Starter Pack")

    with pytest.raises(CommandError, match="not taken back by a reversal"):
        reverse(purchase.transaction_id, staff)

    assert CoinBalance.objects.get(user_id=READER).coins == 100


def test_only_active_staff_can_answer_for_it() -> None:
    purchase = factories.buy_coins(name="Starter Pack")
    get_user_model().objects.create_user("reader-1")

    with pytest.raises(CommandError, match="not an active member of staff"):
        reverse(purchase.transaction_id, "reader-1")
