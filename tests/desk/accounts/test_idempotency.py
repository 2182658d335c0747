"""Idempotency-Key: one act, one answer, however often it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from slipway.desk.accounts.idempotency import RUNNING, IdempotencyMiddleware
from slipway.desk.accounts.models import IdempotencyKey
from slipway.desk.records.models import PendingRecord

KEY = "5f0c6a1e-first-offer"
OFFER = {"codename": "halcyon", "model_name": "Halcyon", "summary": "A model.", "pack": "eo-14409"}


def send(client: Client, body: Any = OFFER, key: str = KEY) -> Any:
    return client.post(
        "/api/v1/reviews", body, content_type="application/json", headers={"Idempotency-Key": key}
    )


def test_repeat_gets_the_first_answer_and_acts_once(caller: Callable[..., Client]) -> None:
    client = caller("ada")
    first = send(client)
    assert first.status_code == 201, first.content
    records = PendingRecord.objects.count()
    again = send(client)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert PendingRecord.objects.count() == records


def test_answer_is_not_kept_in_clear(caller: Callable[..., Client]) -> None:
    first = send(caller("ada"))
    row = IdempotencyKey.objects.get()
    kept = bytes(row.sealed_body) + row.digest.encode() + row.request_digest.encode()
    assert first.json()["id"].encode() not in kept
    assert KEY.encode() not in kept


def test_same_key_for_another_request_is_refused(caller: Callable[..., Client]) -> None:
    client = caller("ada")
    send(client)
    answer = send(client, {**OFFER, "codename": "other"})
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency.reused")


def test_keys_of_two_people_are_two_keys(caller: Callable[..., Client]) -> None:
    first, other = send(caller("ada")), send(caller("mallory"))
    assert first.status_code == other.status_code == 201
    assert first.json()["id"] != other.json()["id"]


def test_refusals_are_replayed_too(caller: Callable[..., Client]) -> None:
    client = caller("ada")
    first = send(client, {"codename": ""})
    assert first.status_code == 422
    again = send(client, {"codename": ""})
    assert again.json() == first.json()


@pytest.mark.parametrize("key", ["short", "x" * 201, "with\ttab-inside"])
def test_unfit_keys_are_refused(key: str, caller: Callable[..., Client]) -> None:
    answer = send(caller("ada"), key=key)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency.key")


def test_request_still_running_and_one_that_never_ended(caller: Callable[..., Client]) -> None:
    client = caller("ada")
    send(client)
    IdempotencyKey.objects.update(status=None, sealed_body=None)
    assert send(client).json()["code"] == "idempotency.busy"
    IdempotencyKey.objects.update(created_at=datetime.now(UTC) - RUNNING - timedelta(seconds=1))
    assert send(client).json()["code"] == "idempotency.unknown"


def test_old_keys_are_forgotten(caller: Callable[..., Client]) -> None:
    client = caller("ada")
    first = send(client)
    IdempotencyKey.objects.update(created_at=datetime.now(UTC) - timedelta(hours=25))
    again = send(client)
    assert again.status_code == 201
    assert again.json()["id"] != first.json()["id"]


def test_broken_request_may_be_sent_again(people: dict[str, Any], rf: Any) -> None:
    """A crash inside leaves no claim behind: the act was rolled back."""

    def breaks(request: Any) -> Any:
        raise RuntimeError("the disk is gone")

    request = rf.post(
        "/api/v1/reviews", data=b"{}", content_type="application/json", headers={"Idempotency-Key": KEY}
    )
    request._slipway_viewer = people["ada"].viewer
    with pytest.raises(RuntimeError):
        IdempotencyMiddleware(breaks)(request)
    assert not IdempotencyKey.objects.exists()
