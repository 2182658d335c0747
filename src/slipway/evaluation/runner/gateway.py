"""The little that the runner itself asks of the gateway: which models the key reaches."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

from slipway.base.errors import InvalidInput, Problem, Refused, Unavailable

_TIMEOUT_SECONDS = 15


def models(gateway_url: str, key: str) -> list[str]:
    """Return the names of ``GET /v1/models``. Raises Refused (401, 403) or Unavailable."""
    if not gateway_url.startswith(("http://", "https://")):
        fix = "write it like http://127.0.0.1:8001"
        raise InvalidInput(
            [Problem("gateway", f"{gateway_url!r} is not an address", fix)], what="gateway address"
        )
    url = f"{gateway_url.rstrip('/')}/v1/models"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})  # noqa: S310 - checked above
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
            body = json.loads(answer.read(1 << 20))
        return sorted(str(model["id"]) for model in body["data"])
    except urllib.error.HTTPError as error:
        with error:
            raw = error.read(1 << 16)
        code, message = _error(raw)
        if error.code in (401, 402, 403, 404):
            raise Refused(f"the gateway refused: {message}", code=code or f"http.{error.code}") from error
        raise Unavailable(f"the gateway answers HTTP {error.code}: {message}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unavailable(f"the gateway at {gateway_url} does not answer as one: {error}") from error


def _error(raw: bytes) -> tuple[str, str]:
    """Read an error body of the OpenAI family."""
    try:
        error = json.loads(raw).get("error") or {}
        return str(error.get("code") or ""), str(error.get("message") or raw[:200])
    except (ValueError, AttributeError):
        return "", repr(raw[:200])
