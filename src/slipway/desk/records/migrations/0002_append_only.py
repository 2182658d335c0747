"""Triggers that keep a drafted record as it was drafted, whatever code or hand reaches the table."""

from typing import Any

from django.db import migrations

_FIXED = ("id", "review", "type", "at", "party", "draft")


def _sqlite_up() -> list[str]:
    changed = " OR ".join(f"NEW.{c} IS NOT OLD.{c}" for c in _FIXED)
    return [
        "CREATE TRIGGER evidence_pending_fixed BEFORE UPDATE ON evidence_pending"
        f" WHEN {changed} OR (OLD.leaf_index IS NOT NULL AND NEW.leaf_index IS NOT OLD.leaf_index)"
        " BEGIN SELECT RAISE(ABORT, 'evidence_pending is append-only'); END",
    ]


def _postgresql_up() -> list[str]:
    changed = " OR ".join(f"NEW.{c} IS DISTINCT FROM OLD.{c}" for c in _FIXED)
    return [
        "CREATE FUNCTION evidence_pending_fixed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'evidence_pending is append-only'; END $$",
        "CREATE TRIGGER evidence_pending_fixed BEFORE UPDATE ON evidence_pending FOR EACH ROW"
        f" WHEN ({changed} OR (OLD.leaf_index IS NOT NULL AND NEW.leaf_index IS DISTINCT FROM OLD.leaf_index))"
        " EXECUTE FUNCTION evidence_pending_fixed()",
    ]


_DOWN = {
    "sqlite": ["DROP TRIGGER evidence_pending_fixed"],
    "postgresql": [
        "DROP TRIGGER evidence_pending_fixed ON evidence_pending",
        "DROP FUNCTION evidence_pending_fixed()",
    ],
}


def up(apps: Any, schema_editor: Any) -> None:
    statements = _sqlite_up() if schema_editor.connection.vendor == "sqlite" else _postgresql_up()
    for statement in statements:
        schema_editor.execute(statement)


def down(apps: Any, schema_editor: Any) -> None:
    for statement in _DOWN[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("records", "0001_initial")]
    operations = [migrations.RunPython(up, down, elidable=False)]
