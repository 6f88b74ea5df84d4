"""Many write a reader's first profile at once: one does, the others are told that there is one"""

from collections import Counter

import pytest

from payments.models import AuditEntry, Customer
from tests.clients import PAYMENTS, api
from tests.concurrency.threads import Crowd
from tests.factories import READER

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

URL = f"{PAYMENTS}/users/{READER}/profile"
ROUNDS = 5


def test_the_first_profile_is_written_once() -> None:
    crowd = Crowd(16)

    def write(number: int) -> tuple[int, str]:
        caller = api(user=READER, raise_request_exception=False)
        crowd.gather()
        body = {"currency": "CAD", "birth_year": 1950 + number}
        response = caller.put(URL, body, headers={"If-None-Match": "*"})
        return response.status_code, response.json().get("code", "")

    for done in range(1, ROUNDS + 1):
        answers = Counter(crowd.run(write))

        assert answers == {(200, ""): 1, (412, "precondition_failed"): 15}
        assert Customer.objects.get().version == 1
        assert AuditEntry.objects.count() == done
        Customer.objects.all().delete()
