"""The tables that the desk's migrations make are the tables that the gateway reads."""

from __future__ import annotations

import pytest
from django.db import connection

from slipway.gateway.store import CONTROL_TABLES

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("table", sorted(CONTROL_TABLES))
def test_columns_are_equal_and_in_order(table: str) -> None:
    with connection.cursor() as cursor:
        found = [column.name for column in connection.introspection.get_table_description(cursor, table)]
    assert tuple(found) == CONTROL_TABLES[table]


# A transactional test before this one has emptied the tables: bring back what the migrations put in.
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_epoch_row_is_there_from_the_first_migration() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, epoch FROM access_control")
        assert cursor.fetchall() == [(1, 0)]
