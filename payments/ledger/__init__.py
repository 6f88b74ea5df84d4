"""The double-entry ledger: the only code that writes accounts, transactions, entries and lots.

    ledger.post(templates.tip(...), ledger.Header(key="tip:…", occurred_at=now, ...))

Locks are taken in one order, everywhere, so that two money operations queue instead of
deadlocking: idempotency key, then the approval request, then wallets by primary key, then the
campaign, purchase, subscription or dispute, then lots by primary key, then the writer row (payouts
only), then the payout. A kept payment method comes after the purchase that keeps it.

The application's role may not change append-only rows, hence cannot lock them either: lock the
wallet, purchase or entitlement instead.
"""

from payments.ledger.balances import Burned, Slice, released_value
from payments.ledger.posting import Header, KeyAlreadyPosted, find, post
from payments.ledger.reversals import reverse

__all__ = [
    "Burned",
    "Header",
    "KeyAlreadyPosted",
    "Slice",
    "find",
    "post",
    "released_value",
    "reverse",
]
