"""The page's table of answers, one line each, against the running gateway."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

from slipway.gateway import keys
from slipway.gateway.store import Usage, usage_by_grant
from tests.gateway.rig import ALIAS, ROUTES, Process, Site, Upstream, now_ms, until

CHAT = "/v1/chat/completions"


def call(
    gateway: Process,
    key: str | None,
    content: str = "hi",
    *,
    path: str = CHAT,
    method: str = "POST",
    **fields: Any,
) -> tuple[int, dict[str, Any], dict[str, str]]:
    headers = {"Content-Type": "application/json", **fields.pop("headers", {})}
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    body = {"model": ALIAS, "messages": [{"role": "user", "content": content}], **fields}
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    try:
        connection.request(method, path, json.dumps(body) if method == "POST" else None, headers)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, json.loads(answer.read() or b"{}"), found
    finally:
        connection.close()


def known(gateway: Process, key: str) -> str:
    until(lambda: call(gateway, key, path="/v1/models", method="GET")[0] != 401, what="the key to be known")
    return key


def error(answer: tuple[int, dict[str, Any], dict[str, str]]) -> tuple[int, str]:
    status, body, headers = answer
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert body["error"]["message"].endswith(".")
    if status in (400, 401, 403, 404):
        assert headers["x-should-retry"] == "false"
    assert "x-request-id" in headers
    return status, body["error"]["code"]


@pytest.mark.parametrize(
    "key",
    [None, "", "sk-abc", "slw_short", keys.new_key(), keys.new_key()[:-1] + "!"],
    # Named: xdist's workers must collect the same names, and these keys are random.
    ids=["none", "empty", "foreign", "short", "unknown", "malformed"],
)
def test_missing_malformed_and_unknown_keys_get_the_same_401(gateway: Process, key: str | None) -> None:
    assert error(call(gateway, key)) == (401, "invalid_api_key")


def test_two_unequal_credentials_are_400_and_two_equal_ones_pass(
    gateway: Process, site: Site, endpoint: str
) -> None:
    key = known(gateway, site.key(site.grant(endpoint)))
    other = {"x-api-key": keys.new_key()}
    assert error(call(gateway, key, headers=other)) == (400, "conflicting_credentials")
    assert call(gateway, key, headers={"x-api-key": key})[0] == 200
    assert call(gateway, None, headers={"x-api-key": key})[0] == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/healthz"),
        ("GET", "/metrics"),
        ("GET", "/v1/chat/completions"),
        ("POST", "/v1/models"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "//v1/chat/completions"),
        ("POST", "/v1/chat/%63ompletions"),
        ("POST", "/v1/./chat/completions"),
        ("POST", "/V1/chat/completions"),
        ("POST", "/v1/responses"),
        ("POST", "/v1/embeddings"),
        ("GET", "/v1/models/aurora"),
        ("DELETE", "/v1/models"),
        ("OPTIONS", "/v1/models"),
    ],
)
def test_everything_else_is_404(gateway: Process, method: str, path: str) -> None:
    assert error(call(gateway, None, path=path, method=method)) == (404, "unknown_route")


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({"state": "paused"}, "grant_paused"),
        ({"state": "ended"}, "grant_ended"),
        ({"state": "revoked"}, "grant_revoked"),
        ({"state": "draft"}, "grant_not_agreed"),
        ({"agreed_by_reviewer_ms": None}, "grant_not_agreed"),
        ({"agreed_by_developer_ms": None}, "grant_not_agreed"),
        ({"not_after_ms": 1}, "grant_expired"),
        ({"not_before_ms": now_ms() + 3_600_000}, "grant_not_open"),
        ({"routes": '["/v1/models"]'}, "route_out_of_scope"),
        ({"endpoint_id": "none"}, "endpoint_missing"),
        ({"budget_requests": 0}, "request_budget_spent"),
        ({"budget_tokens": 10}, "token_budget_spent"),
        ({"content_policy": "sealed to both"}, "content_policy_unsupported"),
    ],
)
def test_no_access_is_403(
    gateway: Process, site: Site, endpoint: str, upstream: Upstream, columns: dict[str, Any], code: str
) -> None:
    grant = site.grant(endpoint, **columns)
    key = known(gateway, site.key(grant))
    before = len(upstream.requests)
    assert error(call(gateway, key)) == (403, code)
    assert len(upstream.requests) == before
    assert site.ledger("SELECT count(*) FROM exchange WHERE grant_id = ?", grant) == [(0,)]

    def counted() -> bool:
        return usage_by_grant(site.data.gateway_db).get(grant, Usage()).refused >= 1

    until(counted, what="the refusal to be counted")


def test_models_route_is_in_scope_or_not(gateway: Process, site: Site, endpoint: str) -> None:
    key = known(gateway, site.key(site.grant(endpoint, routes=json.dumps([CHAT]))))
    assert error(call(gateway, key, path="/v1/models", method="GET")) == (403, "route_out_of_scope")


def test_revoked_key_is_403_and_its_sibling_works(gateway: Process, site: Site, endpoint: str) -> None:
    grant = site.grant(endpoint)
    first, second = site.key(grant), known(gateway, site.key(grant))
    revoke = "UPDATE access_key SET state = 'revoked', revoked_ms = 1 WHERE digest = ?"
    site.change(revoke, keys.digest(first, site.pepper))
    until(lambda: call(gateway, first)[0] == 403, what="the revocation to be seen")
    assert error(call(gateway, first)) == (403, "key_revoked")
    assert call(gateway, second)[0] == 200


def test_unknown_model_is_404(gateway: Process, site: Site, endpoint: str) -> None:
    key = known(gateway, site.key(site.grant(endpoint)))
    assert error(call(gateway, key, model="gpt-4o")) == (404, "model_not_found")


@pytest.mark.parametrize("fields", [{"messages": 1}, {"stream": 1}, {"stream_options": {}}])
def test_malformed_calls_are_400(gateway: Process, site: Site, endpoint: str, fields: dict[str, Any]) -> None:
    key = known(gateway, site.key(site.grant(endpoint)))
    assert error(call(gateway, key, **fields)) == (400, "invalid_request")


def test_rate_is_429_with_retry_after(gateway: Process, site: Site, endpoint: str) -> None:
    key = known(gateway, site.key(site.grant(endpoint, requests_per_minute=3)))
    answers = [call(gateway, key) for _ in range(4)]
    assert answers[0][0] == 200  # one of the three may have gone to find out that the key is known
    assert error(answers[-1]) == (429, "request_rate_limit")
    assert 1 <= int(answers[-1][2]["retry-after"]) <= 60
    assert answers[-1][2]["x-should-retry"] == "true"


def test_budget_is_spent_and_stays_spent(gateway: Process, site: Site, endpoint: str) -> None:
    grant = site.grant(endpoint, budget_tokens=1070)
    key = known(gateway, site.key(grant))
    assert call(gateway, key)[0] == 200  # 18 tokens used of at most 1,060 reserved
    assert error(call(gateway, key, max_tokens=1040)) == (403, "token_budget_spent")
    assert call(gateway, key, max_tokens=100)[0] == 200
    used = usage_by_grant(site.data.gateway_db)[grant]
    assert (used.requests, used.charged, used.tokens_in, used.tokens_out) == (2, 36, 22, 14)


def test_endpoint_sealed_for_another_gateway_is_503_without_retry(
    gateway: Process, site: Site, endpoint: str
) -> None:
    other = site.endpoint("http://127.0.0.1:1/v1")
    site.change("UPDATE access_endpoint SET sealed = 'AAAA' WHERE id = ?", other)
    key = known(gateway, site.key(site.grant(other)))
    answer = call(gateway, key)
    assert error(answer) == (503, "endpoint_unusable")
    assert answer[2]["x-should-retry"] == "false"


def test_concurrency(gateway: Process, site: Site, endpoint: str, upstream: Upstream) -> None:
    key = known(gateway, site.key(site.grant(endpoint, concurrency=1, routes=ROUTES)))
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    body = {"model": ALIAS, "messages": [{"role": "user", "content": "forever"}], "stream": True}
    connection.request("POST", CHAT, json.dumps(body), {"Authorization": f"Bearer {key}"})
    assert connection.getresponse().status == 200
    assert error(call(gateway, key)) == (429, "concurrency_limit")
    connection.close()
    until(lambda: call(gateway, key)[0] == 200, what="the place to be given back")
