"""What the command line and the supervisor ask of Django: set up, migrate."""

from __future__ import annotations

import os

SETTINGS = "slipway.desk.project.settings.review"


def setup() -> None:
    """Load Django for the review desk; calling it again does nothing."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS)
    django.setup()


def migrate() -> int:
    """Bring the desk's database up to date; return how many migrations were applied.

    Makes the data directory when it is missing. Django applies each migration
    in a transaction, so a power cut leaves a whole number of them.
    """
    setup()
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    from slipway.desk.records.site_keys import site

    site().create()
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        call_command("migrate", interactive=False, verbosity=0)
    return len(plan)
