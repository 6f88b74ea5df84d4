"""What a test tells or asks a peer, below ``/_peer/``; the same for both gateways."""

import os
import traceback
from typing import Any

from tests.peers import clock, faults, outbox, web
from tests.peers.peer import Peer
from tests.peers.routes import Routes
from tests.peers.store import Json
from tests.peers.web import Answer, Request

PREFIX = "/_peer/"

routes = Routes()


class Application:
    """A peer together with its control interface."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def __call__(self, request: Request) -> Answer:
        """Answer one request."""
        if not request.path.startswith(PREFIX):
            return self.peer(request)
        try:
            return Answer.of(200, self._control(request))
        except web.HungUp:
            raise
        except (ValueError, KeyError) as wrong:
            return Answer.of(400, {"error": f"{type(wrong).__name__}: {wrong}"})
        except Exception:  # noqa: BLE001 - the test sees the peer's mistake, whatever it is
            return Answer.of(500, {"error": traceback.format_exc()})

    def _control(self, request: Request) -> Any:
        for routes_ in (self.peer.control, routes):
            if found := routes_.find(request.method, request.path):
                try:
                    return found[0].function(self.peer, request.json())
                finally:
                    self.peer.wake()
        raise ValueError(f"no control {request.method} {request.path}")


@routes.add("GET", "/_peer/status", "status")
def status(peer: Peer, _body: Json) -> Json:
    """Who this is and how it behaves."""
    return {
        "name": peer.name,
        "pid": os.getpid(),
        "now": peer.clock.now(),
        "checked": peer.warm_up(),
        "options": peer.options(),
    }


@routes.add("POST", "/_peer/options", "options")
def set_options(peer: Peer, body: Json) -> Json:
    """Change how the peer behaves from now on."""
    if unknown := set(body) - set(peer.defaults):
        raise ValueError(f"no option {sorted(unknown)}: {sorted(peer.defaults)}")
    with peer.store.transaction():
        peer.store.set_setting("options", {**peer.store.setting("options", {}), **body})
    return peer.options()


@routes.add("POST", "/_peer/clock", "clock")
def set_clock(peer: Peer, body: Json) -> Json:
    """Stand at ``now``, ``null`` for the real time, or ``advance`` by so many seconds."""
    with peer.store.transaction():
        if "advance" in body:
            peer.clock.set(peer.clock.now() + int(body["advance"]))
        else:
            moment = body["now"]
            peer.clock.set(clock.parse(moment) if isinstance(moment, str) else moment)
    return {"now": peer.clock.now()}


@routes.add("POST", "/_peer/faults", "faults")
def order_fault(peer: Peer, body: Json) -> Json:
    """Order a fault."""
    return faults.order(peer.store, peer.routes.names(), body)


@routes.add("GET", "/_peer/faults", "faults")
def list_faults(peer: Peer, _body: Json) -> list[Json]:
    """The faults that have still to come."""
    return faults.pending(peer.store)


@routes.add("DELETE", "/_peer/faults", "faults")
def forget_faults(peer: Peer, _body: Json) -> Json:
    """No more faults."""
    with peer.store.transaction():
        peer.store.delete(faults.KIND)
    return {}


@routes.add("GET", "/_peer/violations", "violations")
def violations(peer: Peer, _body: Json) -> list[Json]:
    """What was not as the gateway describes it; a correct client leaves this empty."""
    return [outbox.public(violation) for violation in peer.store.find("_violation")]


@routes.add("DELETE", "/_peer/violations", "violations")
def forget_violations(peer: Peer, _body: Json) -> Json:
    """For a test that breaks the rules on purpose."""
    with peer.store.transaction():
        peer.store.delete("_violation")
    return {}


@routes.add("GET", "/_peer/calls", "calls")
def calls(peer: Peer, _body: Json) -> list[Json]:
    """What was called since the peer was started, with its idempotency key and its fault."""
    return list(peer.calls)


@routes.add("GET", "/_peer/outbox", "outbox")
def deliveries(peer: Peer, _body: Json) -> list[Json]:
    """All webhooks, delivered or not, with their raw bodies."""
    return outbox.listing(peer.store)


@routes.add("POST", "/_peer/deliver", "deliver")
def deliver(peer: Peer, body: Json) -> list[Json]:
    """Send webhooks now; see ``outbox.Order``."""
    order = outbox.Order(**{"url": peer.webhooks, **body})
    if not order.url:
        raise ValueError("no url: neither in the order nor given at the start")
    return peer.deliver(order)


@routes.add("POST", "/_peer/sign", "sign")
def sign(peer: Peer, body: Json) -> Json:
    """The headers the gateway would send with this body, for a test that delivers by itself."""
    return dict(peer.sign(str(body["body"]).encode()))


@routes.add("POST", "/_peer/reset", "reset")
def reset(peer: Peer, body: Json) -> Json:
    """Begin anew with nothing but these options, so that tests can share a process."""
    peer.store.clear()
    peer.calls.clear()
    return set_options(peer, body)


@routes.add("GET", "/_peer/books", "books")
def books(peer: Peer, _body: Json) -> Json:
    """The peer's own books."""
    return peer.books()
