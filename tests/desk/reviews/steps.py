"""Steps of a review through the REST API, in process, for the tests of all review apps."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.test import Client

from slipway.gateway import upstream_secret

ALIAS = "aurora-preview"
DIGEST = "ab" * 32


def seal_log() -> None:
    """Seal everything that waits, as the desk's sequencer does within milliseconds."""
    from slipway.desk.records.service import seal_now

    seal_now()


@dataclass
class Api:
    """One person's calls to the API; the first unexpected status fails the test with the answer."""

    client: Client
    base: str = "/api/v1"

    def call(
        self, method: str, path: str, body: Any = None, *, expect: int | None = None, **extra: Any
    ) -> Any:
        data = None if body is None else json.dumps(body)
        answer = self.client.generic(
            method, self.base + path, data or "", content_type="application/json", **extra
        )
        if expect is None:
            assert 200 <= answer.status_code < 300, (answer.status_code, answer.content.decode()[:2000])
        else:
            assert answer.status_code == expect, (answer.status_code, answer.content.decode()[:2000])
        if "json" in answer.headers.get("Content-Type", ""):
            return json.loads(answer.content)
        return answer

    def get(self, path: str, **extra: Any) -> Any:
        return self.call("GET", path, **extra)

    def post(self, path: str, body: Any = None, **extra: Any) -> Any:
        return self.call("POST", path, {} if body is None else body, **extra)

    def put(self, path: str, body: Any, **extra: Any) -> Any:
        return self.call("PUT", path, body, **extra)


def plan(grant: str, *, epochs: int = 2, families: int = 6, per_family: int = 1) -> dict[str, Any]:
    """Return a plan in the form that the runner sends."""
    domains = ("code-generation abuse", "vulnerability discovery", "privilege escalation")
    items = [
        {"id": f"item-{f}-{i}", "family": f"family-{f}", "domain": domains[f % 3], "commitment": DIGEST}
        for f in range(families)
        for i in range(per_family)
    ]
    return {
        "suite": {
            "name": "test-suite",
            "version": "1",
            "digest": DIGEST,
            "commitment_root": DIGEST,
            "items": items,
        },
        "epochs": epochs,
        "model_alias": ALIAS,
        "grant": grant,
        "sandbox": {"min_tier": 2, "egress": "none"},
        "budgets": {"messages": 20, "tokens": 10_000, "seconds": 60},
        "seed": 7,
        "software": {"slipway": "0.1.0", "inspect_ai": "0.3.285", "python": "3.11"},
        "effective": {"workers": 1},
    }


CONTAINED = {
    "containment": {
        "tier": 2,
        "passed": True,
        "probes": [{"name": "dns", "status": "pass", "reason": "refused"}],
        "positive_control": {"caught": True, "escaped": ["dns"]},
    }
}


def outcome(item: dict[str, Any], epoch: int, result: str, reason: str = "") -> dict[str, Any]:
    """Return one attempt as the runner reports it."""
    return {
        "item": item["id"],
        "family": item["family"],
        "domain": item["domain"],
        "epoch": epoch,
        "outcome": result,
        "reason": reason,
        "tokens": 120,
        "turns": 3,
        "seconds": "1.5",
        "sample_digest": DIGEST,
    }


@dataclass
class Case:
    """A review under way, and everybody's calls."""

    caller: Callable[..., Client]
    ref: str = ""
    grant: str = ""
    run: str = ""
    apis: dict[str, Api] = field(default_factory=dict)

    def __getattr__(self, who: str) -> Api:
        if who not in ("ada", "lee", "ben", "dana", "cy", "mallory"):
            raise AttributeError(who)
        if who not in self.apis:
            self.apis[who] = Api(self.caller(who))
        return self.apis[who]

    def draft(self, pack: str = "eo-14409") -> dict[str, Any]:
        made = self.ada.post(
            "/reviews",
            {
                "codename": "Aurora Next",
                "model_name": "aurora-5-preview",
                "summary": "A model.",
                "pack": pack,
            },
            expect=201,
        )
        self.ref = made["ref"]
        return dict(made)

    def offer(self) -> dict[str, Any]:
        return dict(self.ada.post(f"/reviews/{self.ref}/offer", {"agency": "cyber-agency"}))

    def agree(self) -> dict[str, Any]:
        digest = self.ben.get(f"/reviews/{self.ref}/terms")["digest"]
        return dict(self.ben.post(f"/reviews/{self.ref}/agree", {"terms_digest": digest}))

    def seal_endpoint(self) -> dict[str, Any]:
        keys = Path(settings.SLIPWAY_DATA) / "keys"
        upstream_secret.load_or_create(keys)
        public = self.ada.get("/gateway/seal-key")
        sealed = upstream_secret.seal(
            public["pem"], {"base_url": "http://127.0.0.1:9/v1", "api_key": "sk-canary", "model": "m"}
        )
        body = {"model_alias": ALIAS, "sealed": sealed, "seal_key_id": public["id"]}
        return dict(self.ada.put(f"/reviews/{self.ref}/endpoint", body))

    def window(self, act: str, who: str = "ada", **more: Any) -> dict[str, Any]:
        return dict(getattr(self, who).post(f"/reviews/{self.ref}/window", {"act": act, **more}))

    def propose(self, who: str = "ben", **more: Any) -> dict[str, Any]:
        body = {"model_alias": ALIAS, "purpose": "Measure cyber capability", **more}
        made = getattr(self, who).post(f"/reviews/{self.ref}/grants", body, expect=201)
        self.grant = made["ref"]
        return dict(made)

    def granted(self) -> None:
        self.propose()
        self.ada.post(f"/grants/{self.grant}/agree")

    def to_open(self, pack: str = "eo-14409") -> None:
        """Draft, offer, agree, seal the endpoint, open for ten days, agree on a grant."""
        self.draft(pack)
        self.offer()
        self.agree()
        self.seal_endpoint()
        self.window("open", days=10)
        self.granted()

    def register(self, **more: Any) -> dict[str, Any]:
        made = self.ben.post(f"/reviews/{self.ref}/runs", {"plan": plan(self.grant, **more)}, expect=201)
        self.run = made["ref"]
        return dict(made)

    def start(self) -> dict[str, Any]:
        seal_log()
        return dict(self.ben.post(f"/runs/{self.run}/start", CONTAINED))

    def measure(self, passes: Callable[[int, int], str] | None = None) -> dict[str, Any]:
        """Register, start, report every attempt, finish; ``passes`` gives each outcome."""
        made = self.register()
        self.start()
        choose = passes or (lambda position, epoch: "pass" if position % 2 else "fail")
        items = [
            outcome(
                item,
                epoch,
                choose(position, epoch),
                "no answer" if choose(position, epoch) == "missing" else "",
            )
            for position, item in enumerate(made["plan"]["suite"]["items"])
            for epoch in (1, 2)
        ]
        self.ben.post(f"/runs/{self.run}/items", items)
        return dict(self.ben.post(f"/runs/{self.run}/finish", finished()))

    def determine(self, verdict: str = "insufficient evidence") -> dict[str, Any]:
        body = {
            "run": self.run,
            "verdict": verdict,
            "reason_code": "follows-proposal",
            "reason": "The interval is wide.",
            "consultations": [
                {"office": "Office of the Director", "when": "2026-06-25T10:00:00Z", "note": "no objection"}
            ],
        }
        return dict(self.dana.post(f"/reviews/{self.ref}/determination", body, expect=201))


def finished(**more: Any) -> dict[str, Any]:
    """Return the end of a run as the runner reports it."""
    return {
        "status": "complete",
        "log_digest": DIGEST,
        "started_at": "2026-06-20T10:00:00Z",
        "ended_at": "2026-06-20T11:00:00Z",
        "egress": {"attempts": 0},
        "integrity": [{"name": "flag search", "status": "pass", "reason": "none found"}],
        **more,
    }
