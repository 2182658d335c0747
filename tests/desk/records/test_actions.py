"""Writing records: with the act or not at all, and never changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from slipway.base.errors import InvalidInput
from slipway.desk.accounts.viewer import OPERATOR
from slipway.desk.records.actions import record
from slipway.desk.records.models import PendingRecord


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_it_is_refused() -> None:
    with pytest.raises(RuntimeError, match="atomic"):
        record(acting=OPERATOR, type="a.b", review=None, body={})
    assert not PendingRecord.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_it_goes_when_the_act_goes() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        record(acting=OPERATOR, type="a.b", review=None, body={})
        raise ZeroDivisionError
    assert not PendingRecord.objects.exists()


@pytest.mark.django_db
def test_party_is_the_acting_organisation(ada: Any) -> None:
    own = PendingRecord.objects.get(record_id=record(acting=ada, type="a.b", review=None, body={"x": 1}))
    assert own.party == "aurora-lab"
    named = record(acting=ada, type="a.b", review=None, body={}, party="desk")
    assert PendingRecord.objects.get(record_id=named).party == "desk"
    draft = json.loads(bytes(own.draft))
    assert (draft["id"], draft["at"], draft["body"]) == (own.record_id, own.at, {"x": 1})


@pytest.mark.django_db
@pytest.mark.parametrize(
    "body", [{"x": 1.5}, {"x": "y" * 70_000}, {"x": {1, 2}}], ids=["float", "large", "set"]
)
def test_what_is_no_record_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        record(acting=OPERATOR, type="a.b", review=None, body=body)
    assert not PendingRecord.objects.exists()


@pytest.mark.django_db
def test_model_refuses_change_and_deletion(ada: Any) -> None:
    row = PendingRecord.objects.get(record_id=record(acting=ada, type="a.b", review=None, body={}))
    row.type = "c.d"
    with pytest.raises(TypeError):
        row.save()
    with pytest.raises(TypeError):
        row.delete()


@pytest.mark.django_db
@pytest.mark.parametrize("column", ["id", "review", "type", "at", "party"])
def test_database_refuses_change_by_any_hand(column: str, ada: Any) -> None:
    key = record(acting=ada, type="a.b", review=None, body={})
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE evidence_pending SET {column} = 'changed' WHERE id = %s", [key])
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE evidence_pending SET draft = %s WHERE id = %s", [b"{}", key])


@pytest.mark.django_db
def test_a_place_in_the_log_is_given_once(ada: Any) -> None:
    key = record(acting=ada, type="a.b", review=None, body={})
    rows = PendingRecord.objects.filter(record_id=key)
    rows.update(leaf_index=4, leaf_hash="ab", sealed_at="2026-01-01T00:00:00.000Z")
    with pytest.raises(DatabaseError), transaction.atomic():
        rows.update(leaf_index=5)


@pytest.mark.django_db
def test_table_has_the_columns_of_the_gateways() -> None:
    """The gateway makes the same table by plain SQL; both must stay equal in names and order."""
    import sqlite3

    from slipway.evidence.pending import PENDING_DDL

    other = sqlite3.connect(":memory:")
    other.executescript(PENDING_DDL)
    theirs = [row[1] for row in other.execute("PRAGMA table_info(evidence_pending)")]
    with connection.cursor() as cursor:
        ours = [c.name for c in connection.introspection.get_table_description(cursor, "evidence_pending")]
    assert ours == theirs
