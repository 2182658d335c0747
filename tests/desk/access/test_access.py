"""Endpoints, two-party grants, keys that are shown once; the epoch that the gateway follows."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from playwright._impl._driver import compute_driver_executable

from slipway.desk.access import policy
from slipway.desk.access.models import Control, Endpoint, Grant, Key
from slipway.gateway import upstream_secret
from slipway.gateway.keys import digest, load_or_create_pepper, well_formed
from tests.desk.reviews.steps import ALIAS, Case

pytestmark = pytest.mark.django_db
SEAL_JS = Path(__file__).parents[3] / "src/slipway/desk/access/static/access/seal.js"


def _agreed(case: Case) -> None:
    case.draft()
    case.offer()
    case.agree()
    case.seal_endpoint()


@pytest.mark.parametrize(("proposer", "other"), [("ben", "ada"), ("ada", "ben"), ("lee", "dana")])
def test_a_grant_takes_both_sides(case: Case, proposer: str, other: str) -> None:
    _agreed(case)
    case.window("open", days=5)
    made = case.propose(proposer)
    assert made["state"] == "draft"
    assert (made["agreed_by_developer"] is None) != (made["agreed_by_reviewer"] is None)
    getattr(case, proposer).post(f"/grants/{case.grant}/agree", expect=409)
    assert Grant.objects.get().state == "draft"
    done = getattr(case, other).post(f"/grants/{case.grant}/agree")
    assert done["state"] == "active"
    assert done["agreed_by_developer"] and done["agreed_by_reviewer"]


def test_a_grant_agreed_before_the_opening_begins_with_it(case: Case) -> None:
    _agreed(case)
    case.propose(days=3)
    case.ada.post(f"/grants/{case.grant}/agree")
    assert Grant.objects.get().state == "paused"
    opened = case.window("open", days=10)
    grant = Grant.objects.get()
    assert grant.state == "active"
    assert grant.not_after_ms - grant.not_before_ms == 3 * 86_400_000
    assert opened["window"]["closes"] > case.ben.get(f"/grants/{case.grant}")["not_after"]


def test_the_database_itself_refuses_a_one_sided_active_grant(case: Case) -> None:
    from django.db import IntegrityError, transaction

    _agreed(case)
    case.propose()
    with pytest.raises(IntegrityError), transaction.atomic():
        Grant.objects.update(state="active")


def test_every_change_moves_the_epoch(case: Case) -> None:
    case.draft()
    case.offer()
    case.agree()
    seen = [Control.objects.get().epoch]

    def moved() -> None:
        epoch = Control.objects.get().epoch
        assert epoch > seen[-1]
        seen.append(epoch)

    case.seal_endpoint()
    moved()
    case.window("open", days=5)
    moved()
    case.propose()
    moved()
    case.ada.post(f"/grants/{case.grant}/agree")
    moved()
    key = case.ben.post(f"/grants/{case.grant}/keys", {"label": "bench"})
    moved()
    for act in ("pause", "resume"):
        case.lee.post(f"/grants/{case.grant}/{act}")
        moved()
    case.window("pause")
    moved()
    case.window("resume")
    moved()
    case.lee.post(f"/keys/{key['id']}/revoke")
    moved()
    case.ada.post(f"/grants/{case.grant}/end")
    moved()


def test_a_key_is_shown_once_and_only_to_its_holder(case: Case, browser: Callable[..., Client]) -> None:
    case.to_open()
    for who in ("ada", "lee"):
        getattr(case, who).post(f"/grants/{case.grant}/keys", {"label": "x"}, expect=409)
    made = case.ben.post(f"/grants/{case.grant}/keys", {"label": "bench"})
    secret = made["key"]
    assert well_formed(secret)
    pepper = load_or_create_pepper(Path(settings.SLIPWAY_DATA) / "keys" / "pepper")
    assert Key.objects.get().digest == digest(secret, pepper)
    for who in ("ben", "ada"):
        assert secret not in json.dumps(getattr(case, who).get(f"/grants/{case.grant}"))
        assert secret.encode() not in browser(who).get(f"/grants/{case.grant}/").content
    assert secret not in json.dumps([list(k) for k in Key.objects.values_list()])


def test_a_repeated_key_request_gives_the_same_key_and_keeps_no_secret(case: Case) -> None:
    from slipway.desk.accounts.models import IdempotencyKey

    case.to_open()
    headers = {"HTTP_IDEMPOTENCY_KEY": "a-key-for-the-test"}
    first = case.ben.post(f"/grants/{case.grant}/keys", {"label": "bench"}, **headers)
    again = case.ben.post(f"/grants/{case.grant}/keys", {"label": "bench"}, **headers)
    assert first["key"] == again["key"]
    assert Key.objects.count() == 1
    assert first["key"].encode() not in bytes(IdempotencyKey.objects.get().sealed_body or b"")


def test_keys_are_revoked_by_their_holder_or_the_developer(case: Case) -> None:
    case.to_open()
    made = [case.ben.post(f"/grants/{case.grant}/keys", {"label": str(n)}) for n in range(2)]
    case.mallory.post(f"/keys/{made[0]['id']}/revoke", expect=404)
    assert case.ben.post(f"/keys/{made[0]['id']}/revoke")["state"] == "revoked"
    assert case.lee.post(f"/keys/{made[1]['id']}/revoke")["state"] == "revoked"
    case.lee.post(f"/keys/{made[1]['id']}/revoke", expect=409)


def test_the_reviewers_side_cannot_make_a_release_long(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every waiting proposal is work of the release: an agency must not be able to pile it up."""
    monkeypatch.setattr(policy, "MAX_WAITING", 2)
    monkeypatch.setattr(policy, "MAX_PROPOSED", 3)
    _agreed(case)
    wanted = {"model_alias": ALIAS, "purpose": "evaluation"}
    path = f"/reviews/{case.ref}/grants"
    first = case.ben.post(path, wanted, expect=201)["ref"]
    second = case.ben.post(path, wanted, expect=201)["ref"]
    assert case.ben.post(path, wanted, expect=409)["code"] == "grant.too_many"
    case.ada.post(path, wanted, expect=201)
    case.ben.post(f"/grants/{first}/decline")
    case.ben.post(path, wanted, expect=201)
    case.ada.post(f"/grants/{second}/decline")
    assert case.ben.post(path, wanted, expect=409)["code"] == "grant.too_many"
    case.ada.post(path, wanted, expect=201)


def test_keys_of_a_grant_are_bounded_also_the_revoked(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway reads all of them at every change."""
    monkeypatch.setattr(policy, "MAX_KEYS", 2)
    _agreed(case)
    case.propose()
    for _ in range(2):
        made = case.ben.post(f"/grants/{case.grant}/keys", {"label": "one"}, expect=201)
        case.ben.post(f"/keys/{made['id']}/revoke")
    assert case.ben.post(f"/grants/{case.grant}/keys", {"label": "x"}, expect=409)["code"] == "key.too_many"


@pytest.mark.parametrize("far", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_instants_at_the_calendars_ends_are_refused(case: Case, far: str) -> None:
    _agreed(case)
    wanted = {"model_alias": ALIAS, "purpose": "evaluation", "not_before": far}
    answer = case.ben.post(f"/reviews/{case.ref}/grants", wanted, expect=422)
    assert [e["field"] for e in answer["errors"]] == ["not_before"]


def test_bad_grants_are_named_at_once(case: Case) -> None:
    case.to_open()
    answer = case.ben.post(
        f"/reviews/{case.ref}/grants",
        {
            "model_alias": "NO SPACES",
            "purpose": "",
            "routes": "all",
            "days": 0,
            "budget_tokens": -1,
            "partty": 1,
        },
        expect=422,
    )
    fields = {e["field"] for e in answer["errors"]}
    assert fields == {"model_alias", "purpose", "routes", "days", "budget_tokens", "partty"}
    answer = case.ben.post(
        f"/reviews/{case.ref}/grants",
        {
            "model_alias": ALIAS,
            "purpose": "p",
            "access_level": "AL9",
            "routes": ["/v1/files"],
            "not_after": "2099-01-01T00:00:00Z",
        },
        expect=422,
    )
    assert {e["field"] for e in answer["errors"]} == {"access_level", "routes", "not_after"}
    other = {"model_alias": "other", "purpose": "p"}
    assert (
        "no endpoint"
        in case.ben.post(f"/reviews/{case.ref}/grants", other, expect=422)["errors"][0]["problem"]
    )


def test_the_desk_refuses_an_endpoint_in_clear(case: Case) -> None:
    _agreed(case)
    body = {
        "model_alias": ALIAS,
        "api_key": "sk-x",
        "base_url": "http://x",
        "sealed": "nonsense",
        "seal_key_id": "0",
    }
    answer = case.ada.put(f"/reviews/{case.ref}/endpoint", body, expect=422)
    assert {e["field"] for e in answer["errors"]} == {"api_key", "base_url", "sealed", "seal_key_id"}
    assert Endpoint.objects.count() == 1


def test_replacing_an_endpoint_moves_its_grants(case: Case) -> None:
    case.to_open()
    before = Grant.objects.get().endpoint_id
    case.seal_endpoint()
    assert Endpoint.objects.filter(retired_ms=None).count() == 1
    assert Grant.objects.get().endpoint_id == Endpoint.objects.get(retired_ms=None).id != before


def test_what_the_browser_seals_the_gateway_opens(tmp_path: Path) -> None:
    node = compute_driver_executable()[0]  # the one that Playwright brings; a bare machine has no other
    key = upstream_secret.load_or_create(tmp_path)
    secret = {"base_url": "https://models.example/v1", "api_key": "sk-ünïcode-no"[:3] + "key", "model": "m-5"}
    source = base64.b64encode(SEAL_JS.read_bytes()).decode()
    program = (
        f'const m = await import("data:text/javascript;base64,{source}");'
        f"console.log(await m.seal({json.dumps(key.public_pem.decode())}, {json.dumps(secret)}));"
    )
    done = subprocess.run(
        [node, "--input-type=module", "-"],
        input=program,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    sealed = done.stdout.strip()
    assert upstream_secret.sealed_shape(sealed)
    opened = upstream_secret.open(key.private, sealed)
    assert (opened.base_url, opened.api_key, opened.model) == (
        secret["base_url"],
        secret["api_key"],
        secret["model"],
    )
    # Padded: the length of the sealed text says nothing about the length of the secret.
    assert len(base64.b64decode(sealed)) == 65 + 512 + 16


def test_the_gateway_reads_what_the_desk_wrote(case: Case) -> None:
    """Row for row through the gateway's own statement, on the same database."""
    from django.db import connection

    from slipway.gateway.store.interface import CONTROL_TABLES

    case.to_open()
    columns = ", ".join(CONTROL_TABLES["access_grant"])
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM access_grant")
        row = dict(zip(CONTROL_TABLES["access_grant"], cursor.fetchone(), strict=True))
    assert row["state"] == "active"
    assert json.loads(row["routes"]) == ["/v1/chat/completions", "/v1/models"]
    assert row["party"] == "cyber-agency"


def test_usage_is_the_gateways_own(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    from slipway.desk.access import queries
    from slipway.gateway.store import Usage

    case.to_open()

    def ledger(path: Path) -> dict[str, Any]:
        return {Grant.objects.get().id: Usage(requests=3, tokens_in=10, tokens_out=20, charged=30)}

    monkeypatch.setattr(queries, "usage_by_grant", ledger)
    used = case.ben.get(f"/grants/{case.grant}")["usage"]
    assert (used["requests"], used["tokens_in"], used["tokens_out"]) == (3, 10, 20)


def test_everything_wrong_with_a_proposal_is_named_at_once(case: Case) -> None:
    """What the body, the review and the pack refuse comes in one answer, each field once."""
    _agreed(case)
    case.window("open", days=5)
    wrong = {
        "party": "nobody",
        "model_alias": "unknown",
        "access_level": "AL9",
        "routes": ["/etc"],
        "days": 900,
        "content_policy": "all",
        "concurrency": 1.5,
        "not_before": "tomorrow",
        "colour": "red",
    }
    answer = case.ben.post(f"/reviews/{case.ref}/grants", wrong, expect=422)
    fields = [e["field"] for e in answer["errors"]]
    assert sorted(fields) == sorted([*wrong, "purpose"])
    answer = case.ben.post(f"/reviews/{case.ref}/grants", {**wrong, "model_alias": "No Alias"}, expect=422)
    told = {e["field"]: e["problem"] for e in answer["errors"]}
    assert told["model_alias"] == "'No Alias' is not an alias"
    assert not Grant.objects.exists()
