"""The pages of reviews answer, for everybody of the cast, and act."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from tests.desk.reviews.steps import Case

pytestmark = pytest.mark.django_db
Browser = Callable[..., Client]

PAGES = ("", "terms/", "window/", "grants/", "runs/", "determination/", "report/", "timeline/")


def test_pages_answer_in_every_stage(case: Case, browser: Browser) -> None:
    lab, agency = browser("ada"), browser("ben")
    case.draft()
    assert lab.get(f"/reviews/{case.ref}/offer/").status_code == 200
    case.offer()
    for step in (None, case.agree, case.seal_endpoint, lambda: case.window("open", days=5), case.granted):
        if step is not None:
            step()
        for client in (lab, agency):
            for page in PAGES:
                answer = client.get(f"/reviews/{case.ref}/{page}")
                assert answer.status_code == 200, (page, answer.content.decode()[-800:])
    for page in ("release/", "withdraw/"):
        assert lab.get(f"/reviews/{case.ref}/{page}").status_code == 200
    assert case.ref.encode() in lab.get("/reviews/").content
    assert lab.get("/").status_code == agency.get("/").status_code == 200
