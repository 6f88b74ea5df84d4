"""Stateful doubles of Stripe and Paystack, in processes of their own.

``python -m tests.peers stripe --port 0 --state FILE`` prints the address and serves until it is
ended; ``client.Peer`` does that for tests and wraps the control interface below ``/_peer/``.

A peer keeps everything in a SQLite file and answers only after the commit, so that killing the
peer, or whoever calls it, loses nothing that was answered. Nothing of the product is imported: a
mistake of ours cannot be on both sides. Every request and every answer is compared with the
gateway's own description in ``var/specs``; what does not fit is in ``/_peer/violations``.

    with Peer("stripe", folder / "state.db", webhooks=url) as peer:
        peer.fail("checkout.sessions.create", Fault.TIMEOUT_AFTER, seconds=1)
        ...                                      # our own code opens a page
        peer.pay(reference)                      # the customer pays
        peer.deliver(duplicates=1, seed=4)       # each webhook twice, in some order
        assert peer.violations() == []

What customers, banks and the gateway do is in ``stripe/controls.py`` and ``paystack/controls.py``,
what the peers can be told to do differently in ``StripePeer.defaults`` and
``PaystackPeer.defaults``. A connection is refused, as opposed to reset, between ``stop()`` and
``start()``.
"""
