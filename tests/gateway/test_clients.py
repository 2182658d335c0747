"""The unchanged ``openai`` client against the running gateway."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest

from tests.gateway.rig import ALIAS, UPSTREAM_KEY, UPSTREAM_MODEL, Process, Site, Upstream, until

USER: Any = [{"role": "user", "content": "say hello"}]
TOOLS: Any = [
    {"type": "function", "function": {"name": "bash", "parameters": {"type": "object", "properties": {}}}}
]


@pytest.fixture
def key(site: Site, endpoint: str) -> str:
    return site.key(site.grant(endpoint))


@pytest.fixture
def client(gateway: Process, key: str) -> openai.OpenAI:
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0, timeout=30)
    until(lambda: _known(client), what="the new key to be known")
    return client


def _known(client: openai.OpenAI) -> bool:
    try:
        client.models.list()
    except openai.AuthenticationError:
        return False
    return True


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [ALIAS]


def test_plain(client: openai.OpenAI, upstream: Upstream, site: Site) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=ALIAS, messages=USER, temperature=0.5, extra_body={"my_own_parameter": {"x": [1]}}
    )
    answer = raw.parse()
    assert answer.choices[0].message.content == "echo: say hello"
    assert answer.model == ALIAS
    sent = upstream.requests[-1]
    assert sent["my_own_parameter"] == {"x": [1]}
    assert sent["model"] == UPSTREAM_MODEL
    assert "stream_options" not in sent
    record_id = raw.headers["x-gateway-request-id"]
    assert raw.headers["x-request-id"] == record_id
    assert site.ledger("SELECT type FROM evidence_pending WHERE id = ?", record_id) == [("exchange.opened",)]
    assert "server" not in raw.headers


def test_nothing_of_the_clients_headers_goes_upstream(
    client: openai.OpenAI, upstream: Upstream, key: str
) -> None:
    client.chat.completions.create(model=ALIAS, messages=USER, extra_headers={"Cookie": "a=b"})
    headers = upstream.headers[-1]
    assert set(headers) == {
        "Host",
        "Content-Type",
        "Content-Length",
        "Accept",
        "Accept-Encoding",
        "User-Agent",
        "Authorization",
    }
    assert headers["Authorization"] == f"Bearer {UPSTREAM_KEY}"
    assert key not in str(headers)


@pytest.mark.parametrize("asked", [False, True])
def test_stream(client: openai.OpenAI, upstream: Upstream, asked: bool) -> None:
    options: Any = {"stream_options": {"include_usage": True}} if asked else {}
    chunks = list(client.chat.completions.create(model=ALIAS, messages=USER, stream=True, **options))
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == "Hello wörld"
    assert {c.model for c in chunks} == {ALIAS}
    assert upstream.requests[-1]["stream_options"]["include_usage"] is True
    usages = [c.usage for c in chunks if c.usage]
    assert [u.total_tokens for u in usages] == ([18] if asked else [])
    assert all(c.choices for c in chunks) != asked


def test_tools(client: openai.OpenAI, upstream: Upstream) -> None:
    call: Any = {"model": ALIAS, "messages": [{"role": "user", "content": "tool please"}], "tools": TOOLS}
    answer = client.chat.completions.create(**call)
    assert answer.choices[0].message.tool_calls is not None
    assert answer.choices[0].message.tool_calls[0].function.name == "bash"
    assert upstream.requests[-1]["tools"] == TOOLS
    chunks = list(client.chat.completions.create(**call, stream=True))
    assert chunks[0].choices[0].delta.tool_calls[0].function.arguments == '{"cmd":"ls"}'


def test_stream_helper_with_events(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model=ALIAS, messages=USER) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.content == "Hello wörld"


def test_async_many_at_once(gateway: Process, key: str, client: openai.OpenAI) -> None:
    async def run() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0) as many:

            async def plain(n: int) -> str:
                messages: Any = [{"role": "user", "content": f"number {n}"}]
                answer = await many.chat.completions.create(model=ALIAS, messages=messages)
                return answer.choices[0].message.content or ""

            async def streamed() -> str:
                stream = await many.chat.completions.create(model=ALIAS, messages=USER, stream=True)
                return "".join([c.choices[0].delta.content or "" async for c in stream])

            return await asyncio.gather(*(plain(n) for n in range(20)), *(streamed() for _ in range(10)))

    answers = asyncio.run(run())
    assert answers[:20] == [f"echo: number {n}" for n in range(20)]
    assert set(answers[20:]) == {"Hello wörld"}


def test_large_request_and_answer(client: openai.OpenAI) -> None:
    text = "say " + "ü" * 300_000
    messages: Any = [{"role": "user", "content": text}]
    answer = client.chat.completions.create(model=ALIAS, messages=messages)
    assert answer.choices[0].message.content == f"echo: {text}"


def test_evidence_of_an_exchange(client: openai.OpenAI, site: Site, key: str, upstream: Upstream) -> None:
    raw = client.chat.completions.with_raw_response.create(model=ALIAS, messages=USER)
    exchange = raw.headers["x-gateway-request-id"]
    opened = next(r for r in site.records("exchange.opened") if r["id"] == exchange)
    closed = next(r for r in site.records("exchange.closed") if r["body"]["exchange"] == exchange)
    assert opened["review"] == closed["review"] == "review-1"
    assert opened["body"]["key_hint"] == key[-4:]
    assert (closed["body"]["outcome"], closed["body"]["status"]) == ("completed", 200)
    assert (closed["body"]["tokens_in"], closed["body"]["tokens_out"]) == (11, 7)
    # The reviewer, who holds key and bytes, can open both commitments.
    import hashlib

    from slipway.gateway.records import commitment, exchange_salt

    salt = exchange_salt(key, exchange)
    answer = commitment(salt, "response", hashlib.sha256(raw.content).hexdigest())
    asked = commitment(salt, "request", hashlib.sha256(raw.http_request.content).hexdigest())
    assert closed["body"]["response_commit"] == answer
    assert opened["body"]["request_commit"] == asked


def test_metadata_policy_leaves_no_commitment(gateway: Process, site: Site, endpoint: str) -> None:
    key = site.key(site.grant(endpoint, content_policy="metadata"))
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0)
    until(lambda: _known(client), what="the key to be known")
    raw = client.chat.completions.with_raw_response.create(model=ALIAS, messages=USER)
    opened = next(r for r in site.records("exchange.opened") if r["id"] == raw.headers["x-request-id"])
    assert opened["body"]["request_commit"] is None
