"""The upstream side: one pooled client, and the only place where a sealed secret is open.

Redirects are never followed, proxies from the environment never used, cookies
never kept. Nothing of the client's request headers goes upstream; what comes
back passes an allow-list. Errors never carry the address: whatever aiohttp
raises is turned into a name here, because its messages quote host and port.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from dataclasses import dataclass

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from slipway.base.errors import InvalidInput
from slipway.gateway import upstream_secret
from slipway.gateway.grants import Endpoint
from slipway.gateway.refusal import Refusal
from slipway.gateway.upstream_secret import SealKey, Upstream

CONNECT_SECONDS = 10
# Shorter than the usual 5 s of servers: a pooled connection that the other side is just closing
# would fail a request that must not be repeated.
KEEPALIVE_SECONDS = 4
MAX_ANSWER_BYTES = 32 << 20
ERRORS = (aiohttp.ClientError, HttpProcessingError, TimeoutError, OSError, ValueError)
_MAX_OPEN = 256
_MAX_ERROR_BYTES = 16_384
_KNOWN_CODES = frozenset(
    {
        "content_filter",
        "content_policy_violation",
        "context_length_exceeded",
        "invalid_prompt",
        "invalid_value",
        "missing_required_parameter",
        "string_above_max_length",
        "unknown_parameter",
        "unsupported_parameter",
        "unsupported_value",
    }
)


@dataclass(frozen=True, slots=True)
class Target:
    """An opened endpoint, ready to be called."""

    secret: Upstream
    urls: dict[str, URL]
    headers: dict[str, str]
    timeout: aiohttp.ClientTimeout
    needle: bytes | None

    def __repr__(self) -> str:
        return "Target(sealed)"

    def leaks(self, data: bytes) -> bool:
        """Say whether ``data`` quotes the credential."""
        return self.needle is not None and self.needle in data


class Upstreams:
    """Opened endpoints and the connection pool. One per process, used on one event loop."""

    def __init__(self, seal_key: SealKey) -> None:
        self._seal_key = seal_key
        self._open: OrderedDict[str, Target] = OrderedDict()
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Make the pool (inside the event loop)."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, limit_per_host=0, keepalive_timeout=KEEPALIVE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            timeout=aiohttp.ClientTimeout(total=None),
        )

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def target(self, endpoint: Endpoint) -> Target:
        """Return the opened endpoint; :class:`Refusal` 503 when it cannot be opened."""
        found = self._open.get(endpoint.sealed)
        if found is not None:
            return found
        try:
            secret = upstream_secret.open(self._seal_key.private, endpoint.sealed)
            target = _target(secret)
        except (InvalidInput, ValueError):
            raise Refusal(
                503,
                "endpoint_unusable",
                "The model's endpoint was sealed for another gateway; the developer must register it again.",
                retry=False,
            ) from None
        self._open[endpoint.sealed] = target
        if len(self._open) > _MAX_OPEN:
            self._open.popitem(last=False)
        return target

    async def post(self, target: Target, route: str, body: bytes) -> aiohttp.ClientResponse:
        """Send one request and return the answer when its headers are there; :class:`Refusal` 502, 504."""
        assert self._session is not None
        try:
            return await self._session.post(
                target.urls[route],
                data=body,
                headers=target.headers,
                allow_redirects=False,
                timeout=target.timeout,
            )
        except ERRORS as error:
            raise failure(error, began=False) from None


def failure(error: BaseException, *, began: bool) -> Refusal:
    """Name what went wrong with the upstream, without its address. ``began``: it had started to answer."""
    if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError):
        return Refusal(504, "upstream_timeout", "The model did not answer in time; try again.")
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return Refusal(
            502, "upstream_unreachable", "The model's endpoint cannot be reached; tell the developer."
        )
    if not began and isinstance(error, aiohttp.ClientResponseError | HttpProcessingError | ValueError):
        return bad_answer()
    return broken_off()


def broken_off() -> Refusal:
    """Return the error for an answer that ended before its end."""
    return Refusal(502, "upstream_interrupted", "The model's endpoint broke off its answer; try again.")


def bad_answer() -> Refusal:
    """Return the error for an answer that is not what the API promises."""
    return Refusal(
        502,
        "upstream_bad_answer",
        "The model's endpoint gave an answer that is not of this API; tell the developer.",
    )


def refused_by_upstream(status: int, retry_after: str | None, code: str | None = None) -> Refusal:
    """Return the error for a status that is not 200. Its body is never shown: it may quote secrets."""
    if 300 <= status < 400:
        return Refusal(
            502,
            "upstream_redirect",
            "The model's endpoint redirects, which is never followed; tell the developer.",
        )
    if status in (400, 413, 415, 422):
        return Refusal(
            400,
            code or "upstream_refused_request",
            "The model's endpoint does not accept this request; check its parameters.",
        )
    if status == 429:
        plain = retry_after is not None and re.fullmatch("[0-9]{1,9}", retry_after) is not None
        seconds = int(retry_after or 1) if plain else 1
        return Refusal(
            429,
            "upstream_rate_limit",
            "The model's endpoint is at its own rate limit; try again later.",
            retry=True,
            retry_after=max(1, min(seconds, 3600)),
        )
    if status == 504:
        return Refusal(504, "upstream_timeout", "The model did not answer in time; try again.")
    if status >= 500:
        return Refusal(502, "upstream_error", "The model's endpoint failed; try again.")
    return Refusal(
        502,
        "upstream_refused",
        "The model's endpoint refuses the gateway; the developer must check its registration.",
    )


async def read_all(response: aiohttp.ClientResponse) -> bytes:
    """Return the whole body, at most :data:`MAX_ANSWER_BYTES`; :class:`Refusal` 502 or 504 otherwise."""
    try:
        parts: list[bytes] = []
        size = 0
        while data := await response.content.readany():
            size += len(data)
            if size > MAX_ANSWER_BYTES:
                raise bad_answer()
            parts.append(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)
    except ERRORS as error:
        raise failure(error, began=True) from None


async def not_ok(response: aiohttp.ClientResponse) -> Refusal:
    """Say what an answer with another status than 200 means."""
    code = None
    if response.status in (400, 413, 415, 422):
        try:
            code = _known_code(await response.content.read(_MAX_ERROR_BYTES))
        except ERRORS as error:
            return failure(error, began=True)
    return refused_by_upstream(response.status, response.headers.get("Retry-After"), code)


def usable(response: aiohttp.ClientResponse, *, stream: bool) -> Refusal | None:
    """Say why an answer of status 200 cannot be relayed, by encoding and type; ``None`` when it can."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        return bad_answer()
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return None if kind == ("text/event-stream" if stream else "application/json") else bad_answer()


def _known_code(body: bytes) -> str | None:
    """Return the upstream's error code when it is one that clients act upon. No other text of it gets out."""
    try:
        code = json.loads(body)["error"]["code"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return code if isinstance(code, str) and code in _KNOWN_CODES else None


def _target(secret: Upstream) -> Target:
    base = URL(secret.base_url)
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "Accept-Encoding": "identity",
        "User-Agent": "slipway-gateway",
    }
    if secret.api_key:
        headers["Authorization"] = f"Bearer {secret.api_key}"
    # A very short credential ("x") occurs in any text; there is nothing to protect in it. The address is
    # not looked for: a model may well write "127.0.0.1:8080", and error bodies are never passed on.
    needle = secret.api_key.encode("ascii") if len(secret.api_key) >= 8 else None
    return Target(
        secret,
        {"/v1/chat/completions": base / "chat/completions"},
        headers,
        aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        needle,
    )
