"""docs/events: a schema for every event we send, and every event as its schema says"""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from jsonschema import Draft202012Validator, FormatChecker

from access.services import content, reversals, tips
from legato_payments.lib.ids import uuid7
from payments.gateways.sandbox.gateway import SandboxGateway
from payments.gateways.values import Window
from payments.models import OutboxEvent
from payments.outbox import EventType
from payments.services import disputes, purchase_outcomes, refunds
from tests import factories
from tests.factories import NOW, READER

FOLDER = Path(settings.BASE_DIR) / "docs" / "events"

PERSONAL = {"email", "country", "region", "birth_year", "name", "message", "failure_code", "actor"}


def schema_of(kind: str) -> dict[str, Any]:
    """The published schema of a type of event."""
    schema: dict[str, Any] = json.loads((FOLDER / f"{kind}.v1.json").read_text())
    return schema


def everything_happens() -> None:
    """Every flow there is, so that every type of event is told at least once."""
    factories.put_content("chapter-4", price=33, shares={"ann": 6_000, "bob": 4_000})
    factories.buy_coins(name="Starter Pack")
    sale = content.buy(user_id=READER, content_id="chapter-4", now=NOW, actor="user:reader-1")
    tip = tips.send(
        sender_id=READER,
        recipient_id="ann",
        coins=10,
        message="Bravo, Ann!",
        now=NOW,
        actor="user:reader-1",
    )
    for transaction_id in (sale.entitlement.transaction_id, tip.tip.transaction_id):
        assert transaction_id is not None
        reversals.reverse(
            transaction_id=transaction_id, actor="staff:1", reason="by mistake", now=NOW
        )
    paid_back = factories.start_purchase(saved_method="pm_card")
    refunds.start(
        refund_id=uuid7(),
        request=refunds.Request(purchase_id=paid_back.pk, reason="no need", actor="user:reader-1"),
        now=NOW,
    )
    disputed = factories.start_purchase(saved_method="pm_dispute")
    state = next(SandboxGateway().list_disputes(Window(NOW, NOW + timedelta(days=1))))
    disputes.apply(purchase_id=disputed.pk, state=state, now=NOW)
    purchase_outcomes.fail(factories.start_purchase().pk, "card_declined", now=NOW)
    purchase_outcomes.expire(factories.start_purchase().pk, now=NOW)


def test_every_type_has_a_schema_and_every_schema_a_type() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"{kind}.v1.json" for kind in EventType}


@pytest.mark.parametrize("kind", EventType.values)
def test_the_schema_is_a_schema_and_says_whose_it_is(kind: str) -> None:
    schema = schema_of(kind)

    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    assert schema["title"] == f"com.legato.{kind}.v1"
    assert schema["description"]
    assert schema["required"] == list(schema["properties"])


@pytest.mark.django_db
def test_every_event_is_as_its_schema_says() -> None:
    everything_happens()

    events = list(OutboxEvent.objects.all())
    assert {event.type for event in events} == set(EventType.values)
    for event in events:
        schema = schema_of(event.type)
        Draft202012Validator(schema, format_checker=FormatChecker()).validate(event.payload)
        # A member that is not described is one that nobody decided to tell.
        assert event.payload.keys() == schema["properties"].keys(), event.type


@pytest.mark.django_db
def test_the_subject_is_the_person_it_is_about() -> None:
    everything_happens()

    for event in OutboxEvent.objects.all():
        owner = "writer_id" if event.type.startswith("revenue.") else "user_id"
        assert event.subject == event.payload[owner]


@pytest.mark.django_db
def test_of_people_nothing_but_ids_is_told() -> None:
    everything_happens()

    for event in OutboxEvent.objects.all():
        assert not event.payload.keys() & PERSONAL
        assert "Bravo" not in json.dumps(event.payload)
        assert "card_declined" not in json.dumps(event.payload)


def test_every_type_is_in_the_documentation() -> None:
    text = (Path(settings.BASE_DIR) / "docs" / "api.md").read_text()

    assert [kind for kind in EventType.values if f"| `{kind}` |" not in text] == []
