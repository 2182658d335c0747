"""The desk's list of reviews: CPU of a page among 20,000 reviews against one among 51, same rows shown.

The whole request is measured in this process (middleware, session, query,
template), on a SQLite file with the desk's own settings. Both organisations
live in one database, so indexes and caches are the same for both.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks._harness import Measure, compare, figure

MANY, FEW = 20_000, 51  # 51: one full page of 50 and a link to the next, as among 20,000
GOAL = "<= 1.5"


def measures(quick: bool) -> Iterator[Measure]:
    """Yield the measures; ``quick`` takes fewer pairs and requests."""
    pairs, requests = (5, 4) if quick else (15, 10)
    with tempfile.TemporaryDirectory(prefix="slipway-bench-desk-") as folder:
        os.environ["SLIPWAY_DATA"] = folder
        os.environ.pop("SLIPWAY_DATABASE_URL", None)
        os.environ["SLIPWAY_LOG_LEVEL"] = "ERROR"
        pages = _site()
        for name, path in (
            ("reviews list, first page", "/reviews/"),
            ("reviews list, filtered by stage", "/reviews/?stage=offered"),
            ("inbox", "/"),
        ):
            many, few = pages("many", path, requests), pages("few", path, requests)
            many(), few()
            yield compare(
                f"desk: {name}, {MANY:,} reviews", many, f"the same page, {FEW} reviews", few, GOAL, pairs
            )
        deep, first = pages("many", "/reviews/?after=60", requests), pages("many", "/reviews/", requests)
        yield compare(
            "desk: reviews list, last page", deep, f"first page, {MANY:,} reviews", first, GOAL, pairs
        )
        once = pages("many", "/reviews/", requests)
        values = [1000 * once() / requests for _ in range(pairs)]
        yield figure("desk: CPU of the list page", values, f"ms a request, {MANY:,} reviews", "<= 100")


def _site() -> Callable[[str, str, int], Callable[[], float]]:
    """Make the database and return a maker of measured requests."""
    from slipway.desk.project import manage

    manage.migrate()
    from django.conf import settings
    from django.test import Client

    settings.ALLOWED_HOSTS = ["testserver"]
    clients = {}
    for lab, count in (("many", MANY), ("few", FEW)):
        person = _fill(lab, count)
        client = Client()
        client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
        clients[lab] = client

    def measured(lab: str, path: str, requests: int) -> Callable[[], float]:
        client = clients[lab]

        def run() -> float:
            started = time.process_time()
            for _ in range(requests):
                answer = client.get(path)
                if answer.status_code != 200:
                    raise RuntimeError(f"{path}: {answer.status_code}")
            return time.process_time() - started

        return run

    return measured


def _fill(lab: str, count: int) -> Any:
    """Add a developer with ``count`` reviews, a fifth of them offered; return its release manager."""
    from django.db.models import Max

    from slipway.base.clock import SystemClock
    from slipway.desk.accounts import actions
    from slipway.desk.accounts.viewer import OPERATOR
    from slipway.desk.reviews import packs
    from slipway.desk.reviews.models import Participation, Review

    added = actions.add_organisation(
        acting=OPERATOR, slug=f"{lab}-lab", name=f"{lab.title()} Lab", kind="developer"
    )
    person = actions.add_person(
        acting=OPERATOR,
        email=f"ada@{lab}.example",
        name="Ada",
        organisation=f"{lab}-lab",
        roles=("release_manager",),
        password="bench only, thrown away",
    )
    copy = packs.keep("eo-14409")
    now = SystemClock().now()
    start = (Review.objects.aggregate(last=Max("number"))["last"] or 0) + 1
    reviews = [
        Review(
            number=n,
            codename=f"Model {n}",
            model_name=f"model-{n}",
            summary="A model.",
            pack=copy,
            developer=added.organisation,
            stage="offered" if lab == "few" or n % 5 == 0 else "draft",
            part="asked" if lab == "few" or n % 5 == 0 else "none",
            counts_back_from="partner_release",
            salt=b"\0" * 32,
            created_at=now,
            changed_at=now,
        )
        for n in range(start, start + count)
    ]
    Review.objects.bulk_create(reviews, batch_size=500)
    Participation.objects.bulk_create(
        [
            Participation(
                review=r, organisation=added.organisation, part="developer", number=r.number, joined_at=now
            )
            for r in reviews
        ],
        batch_size=500,
    )
    return person.person
