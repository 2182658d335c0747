"""Marker strings go down every path; afterwards no file, log, database, answer or environment holds one."""

from __future__ import annotations

import json
from pathlib import Path

from tests.gateway.rig import UPSTREAM_KEY, UPSTREAM_MODEL, Process, Site, Upstream
from tests.gateway.test_cut import Stream
from tests.gateway.test_failures import stream
from tests.gateway.test_refusals import call, known

BODY_MARK = "BODYCANARY-7d1f"


def test_no_secret_and_no_text_is_left_anywhere(tmp_path: Path, upstream: Upstream) -> None:
    site = Site(tmp_path / "data")
    # The reader of the marks must find them where they belong, or it would find them nowhere.
    grant = site.grant(site.endpoint(upstream.url, timeout_seconds=1))
    key = site.key(grant)
    dead = site.key(site.grant(site.endpoint("http://127.0.0.1:9/v1/ADDRESSCANARY")))
    gateway = Process(site)
    answers: list[bytes] = []
    try:
        known(gateway, key)
        words = ["", "die", "garbage", "html", "leak", "redirect", "status 400", "status 401", "status 500"]
        for word in [*words, "hang", "no-done", "garbage-later", "error-event", "tool"]:
            text = (
                f"{word} {BODY_MARK}".strip() if word and not word.startswith("status") else word or "hello"
            )
            status, body, headers = call(gateway, key, text)
            if status != 200:
                answers.append(json.dumps([body, headers]).encode())
            answers += stream(gateway, key, text)[1]
        answers.append(json.dumps(call(gateway, dead, BODY_MARK)[1:]).encode())
        answers.append(json.dumps(call(gateway, key, BODY_MARK, model="x")[1:]).encode())
        answers.append(json.dumps(call(gateway, key, path="/v1/models", method="GET")[1:]).encode())
        live = Stream(gateway, key)
        live.read_until(b"tick")
        site.set_grant(grant, state="ended")
        answers.append(live.rest())
        environment = Path(f"/proc/{gateway.process.pid}/environ").read_bytes()
        command = Path(f"/proc/{gateway.process.pid}/cmdline").read_bytes()
    finally:
        assert gateway.stop() == 0
    secrets = {
        "credential": UPSTREAM_KEY.encode(),
        "address": upstream.url.removeprefix("http://").removesuffix("/v1").encode(),
        "dead address": b"ADDRESSCANARY",
        "model name": UPSTREAM_MODEL.encode(),
        "header": b"secret-upstream",
    }
    places = {
        str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()
    }
    assert "data/log/gateway.log" in places
    assert {name for name in places if name.startswith("data/gateway.sqlite3")}
    places |= {f"answer {n}": answer for n, answer in enumerate(answers)}
    places |= {"environ": environment, "cmdline": command}
    found = [
        (what, where) for what, mark in secrets.items() for where, data in places.items() if mark in data
    ]
    stored = {where: data for where, data in places.items() if not where.startswith("answer")}
    found += [("body", where) for where, data in stored.items() if BODY_MARK.encode() in data]
    found += [("key", where) for where, data in places.items() if key.encode() in data]
    assert found == []
    # The marks did travel: the upstream saw every one of them.
    assert any(BODY_MARK.encode() in body for body in upstream.bodies)
    assert UPSTREAM_MODEL in upstream.requests[-1]["model"]
