"""``make smoke``: one reader's first evening, over HTTP, against the stack that ``make up`` runs.

Buys coins through the sandbox gateway, opens a chapter of the demo series with them, tips its
writer, and checks what each step promises. Every run is a new reader, so it may be run again.
"""

import http.client
import json
import os
import subprocess
import sys
import uuid
from typing import Any

from legato_payments.local import paths

PACKAGE = "Ultimate Pack"
CHAPTER = "harbour-5"
TIP_COINS = 50


class Failed(Exception):
    """The stack did not do what it promises."""


class Reader:
    """A new reader with a token of their own."""

    def __init__(self, *, port: int) -> None:
        """Get a token from the local key.

        Args:
            port: Where the web service listens on this machine.
        """
        self.id = f"smoke-{uuid.uuid4().hex[:12]}"
        self.at = f"/api/v1/payments/users/{self.id}"
        self._port = port
        self._token = manage("issue_token", "--user", self.id)

    def get(self, path: str) -> dict[str, Any]:
        """Read something."""
        return self._call("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Do something, once."""
        return self._call("POST", path, body)

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        # Not urllib: it would send this through the proxy of the environment.
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
            "Idempotency-Key": uuid.uuid4().hex,
        }
        try:
            connection.request(method, path, json.dumps(body) if body else None, headers)
            response = connection.getresponse()
            answer = response.read()
        except OSError as error:
            raise Failed(f"Nothing answers on port {self._port}: run `make up` first.") from error
        finally:
            connection.close()
        if response.status >= 400:
            raise Failed(f"{method} {path}: {response.status} {answer.decode(errors='replace')}")
        result: dict[str, Any] = json.loads(answer)
        return result


def main() -> int:
    """Play the evening; exit code 1 at the first promise that is not kept."""
    try:
        evening(Reader(port=int(os.environ.get("PORT", "8005"))))
    except Failed as failure:
        print(failure, file=sys.stderr)  # noqa: T201
        return 1
    return 0


def evening(reader: Reader) -> None:
    """Buy coins, open a chapter, tip its writer.

    Raises:
        Failed: Says what was promised, and what came.
    """
    access = f"/api/v1/access/users/{reader.id}/content/{CHAPTER}/access"

    expect("the service is ready", reader.get("/readyz")["status"], "ok")
    coins = buy_coins(reader)
    expect("the chapter is closed at first", reader.get(access)["granted"], False)
    bought = reader.post(f"{reader.at}/spend-coins", {"content_id": CHAPTER})
    expect("and open once it is bought", reader.get(access)["granted"], True)

    tip = {"recipient_id": "writer-1", "coins": TIP_COINS}
    reader.post(f"{reader.at}/send-tip", tip)
    left = coins - bought["coins"] - TIP_COINS
    expect("every coin is accounted for", reader.get(f"{reader.at}/balance")["coins"], left)


def buy_coins(reader: Reader) -> int:
    """Pay for a package on the sandbox's page; the number of coins it brought."""
    packages = reader.get("/api/v1/payments/coin-packages")["results"]
    package = next((found for found in packages if found["name"] == PACKAGE), None)
    if package is None:
        raise Failed(f"No {PACKAGE} is on sale: run `make seed` first.")
    order = {"package_id": package["id"], "currency": "USD", "country": "US"}
    purchase = reader.post(f"{reader.at}/purchase-coins", order)["transaction_id"]
    manage("sandbox_pay", purchase)
    confirmed = reader.post(f"{reader.at}/confirm-purchase", {"transaction_id": purchase})
    expect("a paid purchase succeeds", confirmed["status"], "succeeded")
    coins = package["total_coins"]
    expect("and brings its coins", confirmed["balance"]["coins"], coins)
    return int(coins)


def expect(what: str, found: object, promised: object) -> None:
    """Print one line for a promise that is kept.

    Raises:
        Failed: It is not.
    """
    if found != promised:
        raise Failed(f"NOT {what}: {found!r} instead of {promised!r}")
    print(f"ok  {what}")  # noqa: T201


def manage(*arguments: str) -> str:
    """What a management command prints.

    Raises:
        Failed: It failed; with what it said.
    """
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(  # noqa: S603 - our own commands
        command, cwd=paths.ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Failed(f"manage.py {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
