"""The developer ends the window in the middle of a run: kept, told, and taken up again later.

Site, gateway, reference model, sandboxes and commands are the real ones.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slipway.base.errors import Exit
from slipway.cli.client import Desk
from slipway.cli.demo.cast import Person, invite
from slipway.cli.demo.stage import Stage, free_port
from slipway.cli.demo.story import Story, Wishes
from slipway.cli.demo.tell import Teller
from slipway.evaluation.runner import RunFolder, journal
from slipway.evaluation.sandbox import tier

pytestmark = pytest.mark.sandbox
ITEMS = ("config-extract", "overflow-name", "sudo-shell", "traverse-strip")
EPOCHS = 3
PLANNED = len(ITEMS) * EPOCHS


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """A site with an open window and a grant, as the demo makes them."""
    missing = tier().missing
    if missing:
        pytest.skip("no sandbox here: " + "; ".join(missing))
    images = Path(os.environ.get("SLIPWAY_IMAGE_CACHE") or "/var/tmp/slipway-images")
    tell = Teller(as_json=True)
    stage = Stage(tmp_path, tell)
    try:
        wishes = Wishes(None, skill=12, desk_port=free_port(0), gateway_port=free_port(0), images=images)
        story = Story(stage, tell, invite(), wishes)
        for act in (story._site, story._people, story._model, story._offer, story._agree, story._open):
            act()
        story._grant()
        yield story
    finally:
        stage.clear()


def desk_of(story: Story, person: Person) -> Desk:
    return Desk(story.addresses["desk"], person.token)


def slipway(story: Story, key: str, *words: str) -> subprocess.Popen[str]:
    """Start a command as the evaluator, with the key of a grant."""
    extra = {
        "SLIPWAY_DESK": story.addresses["desk"],
        "SLIPWAY_TOKEN": story.cast.ben.token,
        "SLIPWAY_KEY": key,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "slipway", *words, "--json"],
        env=os.environ | extra, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any], str]:
    out, errors = process.communicate(timeout=120)
    told: dict[str, Any] = json.loads(out.strip().splitlines()[-1]) if out.strip() else {}
    return process.returncode, told, errors


def timeline(story: Story) -> list[str]:
    answer = desk_of(story, story.cast.ada).get(f"/reviews/{story.review}/timeline")
    return [row["type"] for row in answer["items"]]


def test_the_window_ends_in_the_middle_of_a_run_which_goes_on_in_the_next(
    story: Story, tmp_path: Path
) -> None:
    ada, ben = desk_of(story, story.cast.ada), desk_of(story, story.cast.ben)
    folder = tmp_path / "run"
    words = ["run", "start", "--gateway", story.addresses["gateway"], "--review", story.review]
    words += ["--grant", story.grant, "--epochs", str(EPOCHS), "--workers", "1", "--stream"]
    words += ["--run-dir", str(folder), "--images", str(story.wishes.images)]
    running = slipway(story, story.key, *words, *(w for item in ITEMS for w in ("--item", item)))
    book = RunFolder(folder)
    deadline = time.monotonic() + 60
    while len(journal.latest(book)) < 3 and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    ada.send("POST", f"/reviews/{story.review}/window", {"act": "end"})
    code, told, errors = ended(running)

    assert code == Exit.INCOMPLETE, errors
    assert told["status"] == "incomplete"
    kept = {k: e for k, e in journal.latest(book).items() if e["outcome"] != "missing"}
    assert 3 <= len(kept) < PLANNED
    shown = ben.get(f"/runs/{told['ref']}")
    assert shown["state"] == "incomplete"
    assert "ended" in shown["finish"]["reason"], shown["finish"]["reason"]
    assert shown["statistics"]["missing"] == PLANNED - len(kept)
    assert shown["statistics"]["scored"] == len(kept)
    missing = [i for i in shown["items"] if i["outcome"] == "missing"]
    assert {(i["item"], i["epoch"]) for i in shown["items"]} == {
        (i, e) for i in ITEMS for e in range(1, EPOCHS + 1)
    }
    assert all(i["reason"] for i in missing), "what is missing is named, with its reason"
    assert {(i["item"], i["epoch"]) for i in shown["items"] if i not in missing} == set(kept)
    egress = shown["finish"]["egress"]
    assert (egress["attempts"], egress["not_measured"]) == (0, 0)
    records = timeline(story)
    assert records.index("window.ended") < records.index("run.finished")
    assert "grant.ended" in records

    # The grant ended with the window: without a new one the run cannot go on, and says so.
    code, told, errors = ended(slipway(story, story.key, "run", "resume", str(folder)))
    assert code == Exit.REFUSED, (told, errors)
    ada.send("POST", f"/reviews/{story.review}/window", {"act": "open", "days": 5})
    story._grant()
    code, told, errors = ended(
        slipway(story, story.key, "run", "resume", str(folder), "--grant", story.grant)
    )
    assert code == 0, errors
    assert (told["status"], told["summary"]["missing"]) == ("complete", 0)
    after = journal.latest(book)
    assert len(after) == PLANNED
    assert all(after[key] == entry for key, entry in kept.items()), "finished attempts are not run again"
    verdicts = [(e["item"], e["epoch"]) for e in journal.entries(book) if e["outcome"] != "missing"]
    assert len(verdicts) == len(set(verdicts)) == PLANNED
    shown = ben.get(f"/runs/{told['ref']}")
    assert (shown["state"], shown["statistics"]["missing"]) == ("complete", 0)
    records = timeline(story)
    assert records.count("run.finished") == 2
    assert records.count("run.registered") == 1, "the plan stands as it was registered"
    assert "run.resumed" in records
