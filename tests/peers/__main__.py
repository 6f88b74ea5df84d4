"""``python -m tests.peers stripe --port 0 --state FILE``: one peer, until it is ended."""

import argparse
import importlib
import json
import os
import signal
import sys
import threading
from pathlib import Path

from tests.peers.control import Application
from tests.peers.peer import Peer
from tests.peers.web import serve

PEERS = {
    "paystack": ("tests.peers.paystack.app", "PaystackPeer"),
    "stripe": ("tests.peers.stripe.app", "StripePeer"),
}
"""Only one is imported: reading Paystack's description takes seconds of libraries."""


def main() -> None:
    """Serve, after a line with the address."""
    arguments = _arguments()
    module, name = PEERS[arguments.peer]
    peer_class: type[Peer] = getattr(importlib.import_module(module), name)
    peer = peer_class(arguments.state, key=arguments.key, webhooks=arguments.webhooks)
    with peer.store.transaction():
        known = peer.store.setting("options", {})
        peer.store.set_setting("options", {**known, **json.loads(arguments.options)})
    if not peer.warm_up():
        print("no description in var/specs: nothing is checked", file=sys.stderr)
    server = serve(Application(peer), arguments.port)
    peer.address = f"http://127.0.0.1:{server.server_port}"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(peer.address, flush=True)
    if arguments.attached:
        threading.Thread(target=_end_with_the_caller, daemon=True).start()
    try:
        server.serve_forever(poll_interval=0.05)
    except KeyboardInterrupt:
        pass
    finally:
        peer.store.close()


def _end_with_the_caller() -> None:
    """A caller that was killed closes our standard input, and leaves nobody to end us."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.peers", description=__doc__)
    parser.add_argument("peer", choices=sorted(PEERS))
    parser.add_argument("--port", type=int, default=0, help="0 takes any free one")
    parser.add_argument("--state", type=Path, required=True, help="the SQLite file")
    parser.add_argument("--key", default="sk_test_peer", help="the secret API key to ask for")
    parser.add_argument("--webhooks", default="", metavar="URL", help="where deliveries go")
    parser.add_argument("--attached", action="store_true", help="end when standard input does")
    parser.add_argument("--options", default="{}", metavar="JSON", help="as for /_peer/options")
    return parser.parse_args()


if __name__ == "__main__":
    main()
