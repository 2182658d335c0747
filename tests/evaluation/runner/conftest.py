"""What the runner's tests share: endpoints that behave and that do not, and a desk that remembers."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from slipway.evaluation.runner import Plan, Registration
from slipway.evaluation.sandbox import BaseImage

KEY = "slw_test_key_that_must_stay_secret"


def _reference_module() -> ModuleType:
    path = Path(__file__).parents[3] / "examples" / "reference_model.py"
    spec = importlib.util.spec_from_file_location("reference_model", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["reference_model"] = module
    spec.loader.exec_module(module)
    return module


reference_model = _reference_module()


@dataclass
class Endpoint:
    """The reference model behind a real socket, with a switch for how it goes wrong after ``after`` calls."""

    server: ThreadingHTTPServer
    fault: str = ""
    after: int = 0
    calls: int = 0
    keys: set[str] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def go_wrong(self, fault: str, after: int = 0) -> None:
        self.fault, self.after, self.calls = fault, after, 0


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """A model endpoint; ``go_wrong`` makes it fail as real ones do."""
    holder: list[Endpoint] = []

    class Handler(reference_model.Handler):  # type: ignore[name-defined,misc]
        mind = reference_model.Mind(12, 1)
        api_key = KEY
        model_name = "reference-model"

        def do_POST(self) -> None:
            one = holder[0]
            one.calls += 1
            one.keys.add(self.headers.get("authorization", ""))
            if one.fault and one.calls > one.after:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                FAULTS[one.fault](self)
            else:
                super().do_POST()

    server = reference_model.Server(("127.0.0.1", 0), Handler)
    holder.append(Endpoint(server))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield holder[0]
    server.shutdown()
    server.server_close()
    thread.join()


def _body(handler: Any, status: int, raw: bytes, kind: str = "application/json", **headers: str) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(raw)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(raw)
    handler.wfile.flush()


def _error(status: int, code: str, message: str, **headers: str) -> Callable[[Any], None]:
    raw = json.dumps({"error": {"message": message, "type": "x", "code": code}}).encode()
    return lambda handler: _body(handler, status, raw, **headers)


def _die(handler: Any) -> None:
    handler.close_connection = True
    handler.connection.shutdown(2)


def _cut(handler: Any) -> None:
    """Begin a stream and cut it as the gateway does when access is paused."""
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "m"}
    begin = {**chunk, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "I w"}}]}
    error = {"error": {"message": "access is paused", "type": "access", "code": "grant_paused"}}
    raw = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in (begin, error))
    _body(handler, 200, raw, "text/event-stream")


FAULTS: dict[str, Callable[[Any], None]] = {
    "cut": _cut,
    "hang": lambda handler: time.sleep(4),
    "html": lambda handler: _body(handler, 200, b"<html>nothing here</html>", "text/html"),
    "not json": lambda handler: _body(handler, 200, b"{{{"),
    "other json": lambda handler: _body(handler, 200, b'{"hello": [1, 2]}'),
    "a list": lambda handler: _body(handler, 200, b"[1, 2]"),
    "no choices": lambda handler: _body(
        handler, 200, b'{"id": "x", "object": "chat.completion", "choices": []}'
    ),
    "bad choices": lambda handler: _body(handler, 200, b'{"id": "x", "choices": [{"message": 7}]}'),
    "dies": _die,
    "500": _error(500, "upstream_error", "boom"),
    "window": _error(403, "window_closed", "The window of review R-1 ended at 2026-07-01T00:00:00Z."),
    "limit": _error(429, "rate_limit", "slow down", Retry_After="1"),
    "bad request": _error(400, "upstream_refused_request", "no tools please"),
}


@dataclass
class Desk:
    """A reporter that keeps what it was told, and can be away."""

    log: list[str] = field(default_factory=list)
    told: list[Mapping[str, Any]] = field(default_factory=list)
    finished: Mapping[str, Any] = field(default_factory=dict)
    away: bool = False

    def register(self, plan: Plan) -> Registration:
        self.log.append("register")
        return Registration("RUN-1", "record-1")

    def wait_sealed(self, registration: Registration) -> None:
        self.log.append("sealed")

    def start(self, registration: Registration, containment: Mapping[str, Any]) -> None:
        assert containment["passed"] is True
        self.log.append("start")

    def items(self, registration: Registration, items: Sequence[Mapping[str, Any]]) -> None:
        if self.away:
            from slipway.base.errors import Unavailable

            raise Unavailable("the desk is away")
        self.log.append("items")
        self.told.extend(items)

    def finish(self, registration: Registration, outcome: Mapping[str, Any]) -> Mapping[str, Any]:
        self.log.append("finish")
        self.finished = outcome
        return {"ref": registration.ref}


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def contained(base_image: BaseImage) -> Callable[[Path], tuple[Mapping[str, Any], str]]:
    """A pre-flight that was made elsewhere (tests/evaluation/containment makes the real one)."""
    report = {
        "tier": 2,
        "passed": True,
        "probes": [],
        "positive_control": {"caught": True},
        "canary": {"hits": 0},
    }
    return lambda images: (report, base_image.digest)
