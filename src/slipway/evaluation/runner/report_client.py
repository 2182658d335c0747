"""The evaluator's side of the desk's REST API, on the standard library alone.

Writes carry an ``Idempotency-Key`` derived from the run's own key and the
body, so that a write whose answer was lost can be sent again. What could not
be sent stays in the run's journal; nothing is lost when the desk is away.
"""

from __future__ import annotations

import hashlib
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any

from slipway.base.errors import (
    InvalidInput,
    NotFound,
    Problem,
    Refused,
    SlipwayError,
    Unavailable,
    problems_from_json,
)
from slipway.evaluation.runner.interface import JSONMap, Registration
from slipway.evaluation.runner.planning import Plan

_MAX_ANSWER = 64 << 20
_BATCH = 200


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to wherever it points; refuse it."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class DeskReporter:
    """Reports a run to a review desk.

    ``base_url`` is the desk's address (with or without ``/api/v1``), ``token``
    an evaluator's API token, ``run_key`` a text that is unique to the run
    folder. ``grant`` is the grant under which a run is resumed, "" for that of
    its plan. ``attempts`` bounds how often a call is tried while the desk does
    not answer; ``sleep`` is a port for tests.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        review: str,
        run_key: str,
        *,
        grant: str = "",
        attempts: int = 6,
        timeout_seconds: float = 30.0,
        seal_seconds: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urllib.parse.urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidInput(
                [Problem("desk", f"{base_url!r} is not an address", "write it like http://127.0.0.1:8000")],
                what="desk address",
            )
        root = base_url.rstrip("/")
        self._api = root if root.endswith("/api/v1") else f"{root}/api/v1"
        self._token = token
        self._review = review
        self._run_key = run_key
        self._grant = grant
        self._attempts = attempts
        self._timeout = timeout_seconds
        self._seal_seconds = seal_seconds
        self._sleep = sleep
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())

    def register(self, plan: Plan) -> Registration:
        """Register the plan; raises Refused or InvalidInput as the desk says."""
        answer = self._send("POST", f"/reviews/{_quote(self._review)}/runs", {"plan": plan.as_dict()})
        record = answer.get("record") or (answer.get("receipt") or {}).get("record")
        ref = answer.get("ref")
        if not isinstance(ref, str) or not isinstance(record, str):
            raise Unavailable(f"the desk's answer to the registration lacks ref or record: {sorted(answer)}")
        return Registration(ref=ref, record=record)

    def wait_sealed(self, registration: Registration) -> None:
        """Ask for the receipt until it is there (the log seals within milliseconds when it runs)."""
        deadline = time.monotonic() + self._seal_seconds
        while True:
            status, _ = self._call("GET", f"/records/{_quote(registration.record)}/receipt", None)
            if status == 200:
                return
            if time.monotonic() >= deadline:
                raise Unavailable(
                    f"the registration {registration.record} is not in the evidence log after "
                    f"{self._seal_seconds:.0f} s; is the desk's sequencer running?"
                )
            self._sleep(0.1)

    def start(self, registration: Registration, containment: JSONMap) -> None:
        """Report the start with the containment report."""
        body = {"containment": dict(containment), **({"grant": self._grant} if self._grant else {})}
        self._send("POST", f"/runs/{_quote(registration.ref)}/start", body)

    def items(self, registration: Registration, items: Sequence[JSONMap]) -> None:
        """Report attempts, in batches."""
        for first in range(0, len(items), _BATCH):
            batch = [dict(item) for item in items[first : first + _BATCH]]
            self._send("POST", f"/runs/{_quote(registration.ref)}/items", batch)

    def finish(self, registration: Registration, outcome: JSONMap) -> JSONMap:
        """Report the end; returns the desk's view of the run."""
        return self._send("POST", f"/runs/{_quote(registration.ref)}/finish", dict(outcome))

    def get(self, path: str) -> dict[str, Any]:
        """Read one object of the desk's API (for the command line)."""
        return self._send("GET", path, None)

    def _send(self, method: str, path: str, body: Any) -> dict[str, Any]:
        status, answer = self._call(method, path, body)
        if status == 202 or 200 <= status < 300:
            return answer
        raise _error(status, answer, f"{method} {path}")

    def _call(self, method: str, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        """Send one request, again and again while the desk is unreachable or overloaded."""
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        last = "no attempt was made"
        for attempt in range(self._attempts):
            if attempt:
                self._sleep(min(8.0, 0.25 * 2**attempt))
            try:
                status, raw = self._once(method, path, data)
            except (OSError, urllib.error.URLError) as error:
                last = str(getattr(error, "reason", error))
                continue
            if status == 429 or status >= 500:
                last = f"HTTP {status}"
                continue
            return status, _json(raw)
        raise Unavailable(f"the desk at {self._api} does not answer ({method} {path}): {last}")

    def _once(self, method: str, path: str, data: bytes | None) -> tuple[int, bytes]:
        request = urllib.request.Request(self._api + path, data=data, method=method)  # noqa: S310 - scheme checked
        request.add_header("Authorization", f"Bearer {self._token}")
        request.add_header("Accept", "application/json")
        if data is not None:
            request.add_header("Content-Type", "application/json")
            key = hashlib.sha256(f"{self._run_key}\0{method} {path}\0".encode() + data).hexdigest()
            request.add_header("Idempotency-Key", key)
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                return int(answer.status), answer.read(_MAX_ANSWER)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(_MAX_ANSWER)


def _quote(text: str) -> str:
    return urllib.parse.quote(text, safe="")


def _json(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw or b"{}")
    except ValueError:
        return {"title": f"not JSON: {raw[:200]!r}"}
    return value if isinstance(value, dict) else {"items": value}


def _error(status: int, answer: dict[str, Any], what: str) -> SlipwayError:
    title = str(answer.get("title") or answer.get("detail") or f"HTTP {status}")
    code = str(answer.get("code") or "")
    problems = problems_from_json(answer)
    if problems:
        return InvalidInput(problems, what=what, code=code or None)
    if status == 404:
        return NotFound(f"{what}: {title}", code=code or None)
    if status in (301, 302, 303, 307, 308):
        return Unavailable(f"{what}: the desk answered with a redirect; give its own address")
    return Refused(f"{what}: {title}", code=code or None)
