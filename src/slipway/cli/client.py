"""A client of a desk's REST API, and the options of every command that uses one.

Standard library only: an evaluator's machine may hold nothing else of slipway
running, and one request a command needs no connection pool.
"""

from __future__ import annotations

import functools
import http.client
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import click

from slipway.base.errors import (
    InvalidInput,
    NotFound,
    Problem,
    Refused,
    SlipwayError,
    Unavailable,
    problems_from_json,
)
from slipway.base.ids import uuid7
from slipway.cli.output import dry_run_option, emit, json_option

TIMEOUT_SECONDS = 120.0  # building a report renders a PDF inside the request
MAX_ANSWER = 512 * 1024 * 1024


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to an address that nobody named."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


# No proxy either: the token goes to the address that was named and to nobody between.
_OPENER = urllib.request.build_opener(_NoRedirects, urllib.request.ProxyHandler({}))


def _error_of(status: int, body: bytes, url: str) -> SlipwayError:
    """Turn an error answer (RFC 9457 where the desk gave one) into the error it stands for."""
    try:
        problem = json.loads(body)
        if not isinstance(problem, dict):
            raise ValueError
    except ValueError:
        problem = {}
    title = str(problem.get("title") or problem.get("detail") or f"the desk answered {status}")
    if problem.get("title") and problem.get("detail") and problem["detail"] != problem["title"]:
        title = f"{title}: {problem['detail']}"
    code = str(problem.get("code") or f"http.{status}")
    problems = problems_from_json(problem)
    if problems:
        what = title.removesuffix(" was refused")
        error: SlipwayError = InvalidInput(problems, what=what, code=code)
    elif status == 401:
        error = Refused(
            f"{title}; the desk does not accept this token: make one with `slipway admin token add` "
            "and put it into the variable that --token-env names",
            code=code,
        )
    elif status == 404:
        error = NotFound(f"{title} ({url})", code=code)
    elif status in (403, 409):
        error = Refused(title, code=code)
    elif status == 429 or status >= 500:
        error = Unavailable(f"{title} ({url})", code=code)
    else:
        error = SlipwayError(title, code=code)
    error.status = status
    return error


@dataclass(frozen=True, slots=True)
class Desk:
    """One desk and the token to act there with."""

    url: str
    token: str

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, bytes]:
        """Make one request below ``/api/v1``; return status and body, raise what an error stands for."""
        url = f"{self.url}/api/v1{path}"
        headers = {"Accept": "application/json, */*"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        if method != "GET":
            headers["Idempotency-Key"] = uuid7()
        request = urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310 - see desk_url
        try:
            with _OPENER.open(request, timeout=TIMEOUT_SECONDS) as answer:
                return answer.status, answer.read(MAX_ANSWER)
        except urllib.error.HTTPError as error:
            raise _error_of(error.code, error.read(1 << 20), url) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise Unavailable(
                f"no desk answers at {self.url} ({reason}); start one with: slipway up"
            ) from None

    def get(self, path: str) -> dict[str, Any]:
        """GET one JSON object."""
        return self._object(self.request("GET", path)[1], path)

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Make one write and return the JSON object that answers it."""
        return self._object(self.request(method, path, body if body is not None else {})[1], path)

    def _object(self, body: bytes, path: str) -> dict[str, Any]:
        try:
            value = json.loads(body)
        except ValueError:
            raise Unavailable(
                f"{self.url}{path} answered something that is not JSON; is it a desk?"
            ) from None
        return value if isinstance(value, dict) else {"items": value}


def desk_url(text: str) -> str:
    """Return a desk's address without its last slash; only http and https are addresses of desks."""
    parts = urllib.parse.urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InvalidInput(
            [Problem("--desk", f"{text!r} is not an address", "write it like http://127.0.0.1:8000")]
        )
    return text.rstrip("/")


def token_from(variable: str) -> str:
    """Return the token in the variable named; it is never an argument, because `ps` shows those."""
    token = os.environ.get(variable, "")
    if not token:
        fix = f"export {variable}=slt_…, or name another variable with --token-env"
        raise InvalidInput([Problem("--token-env", f"the environment variable {variable} is empty", fix)])
    return token.strip()


@dataclass(frozen=True, slots=True)
class Session:
    """What a command on a desk works with: the desk and how to answer."""

    desk: Desk
    as_json: bool
    dry_run: bool = False

    def show(self, data: Mapping[str, Any], lines: list[str]) -> None:
        """Print an answer."""
        emit(data, lines, self.as_json)

    def act(
        self, method: str, path: str, body: Mapping[str, Any], said: Callable[[Mapping[str, Any]], str]
    ) -> dict[str, Any] | None:
        """Make one write and print what it did and its receipt; with ``--dry-run`` only say it.

        Returns the answer, None in a dry run.
        """
        if self.dry_run:
            request = {"method": method, "path": f"/api/v1{path}", "body": dict(body)}
            lines = [f"would send {method} {self.desk.url}/api/v1{path}", json.dumps(body, indent=2)]
            me = self.desk.get("/me")
            self.show({"dry_run": True, "would": request, "me": me}, lines)
            return None
        answer = self.desk.send(method, path, body)
        lines = [said(answer)]
        receipt = answer.get("receipt")
        if isinstance(receipt, Mapping):
            lines.append(f"receipt: {receipt.get('record')} ({receipt.get('type')})")
        self.show(answer, lines)
        return answer


def on_desk(*, writes: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the desk options; it receives a :class:`Session` first."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(
            *args: Any, desk: str, token_env: str, as_json: bool, dry_run: bool = False, **kwargs: Any
        ) -> Any:
            session = Session(Desk(desk_url(desk), token_from(token_env)), as_json, dry_run)
            return function(session, *args, **kwargs)

        decorated: Callable[..., Any] = json_option(wrapper)
        if writes:
            decorated = dry_run_option(decorated)
        decorated = click.option(
            "--token-env",
            default="SLIPWAY_TOKEN",
            show_default=True,
            help="Variable that holds the API token.",
        )(decorated)
        return click.option(
            "--desk", envvar="SLIPWAY_DESK", default="http://127.0.0.1:8000", show_default=True,
            help="Address of the desk.",
        )(decorated)  # fmt: skip

    return decorate
