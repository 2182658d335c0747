"""The OpenAI family: routes, error bodies, the chat call and its answers. Pure.

What is rewritten and nothing else: ``model`` (the alias becomes the upstream's
name on the way in, any model name becomes the alias on the way out) and
``stream_options.include_usage`` (set for every stream so that usage is known,
and the chunk it adds removed when the client did not ask).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from json.scanner import make_scanner
from typing import Any, NoReturn

from slipway.base.errors import ProblemList
from slipway.gateway import sse
from slipway.gateway.refusal import Refusal

CHAT = "/v1/chat/completions"
MODELS = "/v1/models"
ROUTES: Mapping[tuple[str, bytes], str] = {
    ("POST", CHAT.encode()): CHAT,
    ("GET", MODELS.encode()): MODELS,
}

# Without a tokenizer (a decision: see the page) a reservation is an estimate from sizes.
BYTES_PER_TOKEN = 4
DEFAULT_OUTPUT_TOKENS = 1024
# Parsing holds the interpreter: 6 million empty lists (17 MB) took 1.3 s and 600 MB, and for so long nobody's
# stream moves and no kill takes effect. Every value but the first of its container has a comma before it.
# Commas in text count too; that much text of commas is no chat.
MAX_JSON_MARKS = 2_000_000

_DONE = b"data: [DONE]\n\n"
_USAGE_NULL = re.compile(rb',\s*"usage"\s*:\s*null|"usage"\s*:\s*null\s*,')
# Inside a JSON string both quotes would be escaped, so this never matches text that a model wrote.
_MODEL = re.compile(rb'"model"\s*:\s*"(?:[^"\\]|\\.)*"')
_TYPES = {
    400: "invalid_request_error",
    401: "invalid_request_error",
    403: "permission_error",
    404: "invalid_request_error",
    408: "invalid_request_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    429: "rate_limit_error",
}


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_no_constant)
_decode = _decoder.decode
# typeshed says that a scanner is made from a scanner; it is made from a decoder.
_scan = make_scanner(_decoder)  # type: ignore[arg-type]
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_encode_ascii = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Call:
    """One chat call as the gateway understands it; ``value`` is the whole parsed body."""

    model: str
    stream: bool
    wants_usage: bool
    output_tokens: int
    value: dict[str, Any]

    def reserve(self, body_bytes: int) -> int:
        """Return the tokens to reserve: a size estimate of the input plus what may be answered."""
        return body_bytes // BYTES_PER_TOKEN + 1 + self.output_tokens


@dataclass(frozen=True, slots=True)
class Tokens:
    """Usage as the upstream reported it."""

    tokens_in: int
    tokens_out: int


def _too_complex(body: bytes) -> bool:
    return body.count(b",") + body.count(b"[") + body.count(b"{") > MAX_JSON_MARKS


def parse(body: bytes) -> Call:
    """Read a chat call; :class:`Refusal` 400 lists every problem of the fields that the gateway needs."""
    if _too_complex(body):
        raise Refusal(413, "body_too_complex", "The body has too many values; send fewer messages and parts.")
    try:
        value = _decode(body.decode("utf-8"))
    except RecursionError:
        raise Refusal(400, "invalid_json", "The body is nested too deeply; flatten it.") from None
    except ValueError:
        raise Refusal(
            400, "invalid_json", "The body is not valid JSON in UTF-8; send one JSON object."
        ) from None
    if not isinstance(value, dict):
        raise Refusal(400, "invalid_json", "The body is JSON but not an object; send one JSON object.")
    bad = ProblemList("chat call")
    model = value.get("model")
    if not isinstance(model, str):
        bad.add("model", "missing or not text", "name the model of your grant")
    if not isinstance(value.get("messages"), list):
        bad.add("messages", "missing or not a list", "send the list of messages")
    stream = value.get("stream")
    if stream is not None and not isinstance(stream, bool):
        bad.add("stream", "not true or false", "send true or false")
    options = value.get("stream_options")
    if options is not None and not isinstance(options, dict):
        bad.add("stream_options", "not an object", "send an object or leave it out")
    elif options is not None and not stream:
        bad.add("stream_options", "given without stream", "set stream to true or leave it out")
    if bad:
        raise Refusal(400, "invalid_request", "; ".join(str(p) for p in bad.problems) + ".")
    wants = bool(options and options.get("include_usage"))
    return Call(str(model), bool(stream), wants, _output_tokens(value), value)


def _output_tokens(value: Mapping[str, Any]) -> int:
    """Return what an answer may cost: the limit given (or a default) times the number of choices."""
    limit = _count(value.get("max_completion_tokens")) or _count(value.get("max_tokens"))
    return (limit or DEFAULT_OUTPUT_TOKENS) * (_count(value.get("n")) or 1)


def _count(value: object) -> int:
    """Return a sensible count as it is, anything else as 0 (the upstream will judge it)."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 40 else 0


def encode(call: Call, upstream_model: str) -> bytes:
    """Return the call as it is sent upstream: one serialisation of what was parsed here.

    Sending on the client's own bytes would let the two sides read duplicate
    keys differently. Raises :class:`Refusal` 400 for numbers that JSON cannot carry.
    """
    value = dict(call.value)
    value["model"] = upstream_model
    if call.stream:
        value["stream_options"] = {**(value.get("stream_options") or {}), "include_usage": True}
    try:
        try:
            return _encode(value).encode("utf-8")
        except UnicodeEncodeError:  # a lone surrogate: legal in JSON as an escape, not in UTF-8
            return _encode_ascii(value).encode("ascii")
    except (ValueError, RecursionError):
        raise Refusal(
            400, "invalid_json", "The body has a number out of range; send finite numbers."
        ) from None


def alias_model(data: bytes, alias: bytes) -> bytes:
    """Return ``data`` with every model name in it replaced by ``alias`` (``"model":"…"`` as bytes)."""
    return _MODEL.sub(lambda _: alias, data)


def alias_field(alias: str) -> bytes:
    """Return the ``"model":"…"`` member that answers carry."""
    return b'"model":' + json.dumps(alias).encode("ascii")


def read_answer(body: bytes) -> Tokens | None:
    """Check a plain answer and return its usage; ``ValueError`` when it is no chat completion."""
    if _too_complex(body):
        raise ValueError("too many values")
    try:
        value = _decode(body.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict) or not isinstance(value.get("choices"), list):
        raise ValueError("not a chat completion")
    return _tokens(value.get("usage"))


def _tokens(usage: object) -> Tokens | None:
    if not isinstance(usage, dict):
        return None
    tokens_in, tokens_out = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not isinstance(tokens_in, int) or not isinstance(tokens_out, int):
        return None
    if not (0 <= tokens_in < 1 << 40 and 0 <= tokens_out < 1 << 40):
        return None
    return Tokens(tokens_in, tokens_out)


class ChatStream:
    """Follows one stream of chunks: what to forward, usage, whether it ended as it should."""

    __slots__ = ("_alias", "_wants_usage", "chunks", "done", "failed", "tokens")

    def __init__(self, alias: str, *, wants_usage: bool) -> None:
        self._alias = alias_field(alias)
        self._wants_usage = wants_usage
        self.chunks = 0
        self.done = False
        self.failed: str | None = None
        self.tokens: Tokens | None = None

    def feed(self, event: bytes) -> bytes:
        """Return what to forward for one whole event; empty when nothing is.

        After the call ``done`` says that the stream ended properly, and ``failed``
        names what the upstream did wrong.
        """
        if self.done or self.failed:
            return b""
        if event == _DONE:
            self.done = True
            return event
        if event.startswith(b"data: {") and event.find(b"\n") == len(event) - 2:
            return self._chunk(event)
        return self._unusual(event)

    def _name(self, _: re.Match[bytes]) -> bytes:
        return self._alias

    def _unusual(self, event: bytes) -> bytes:
        data = sse.payload(event)
        if data is None:
            if not sse.well_formed(event):
                self.failed = "upstream_bad_answer"
                return b""
            return b":\n\n"  # a comment keeps the connection alive; its text is nobody's business
        data = data.strip()
        if data == b"[DONE]":
            self.done = True
            return _DONE
        # Several data lines of one JSON value become one: line breaks are blanks between its tokens.
        return self._chunk(b"data: " + data.replace(b"\n", b" ") + b"\n\n")

    def _chunk(self, event: bytes) -> bytes:
        try:
            # Straight to the C scanner: this runs once a chunk.
            value, end = _scan(text := event.decode("utf-8"), 6)
        except (ValueError, RecursionError, StopIteration):
            self.failed = "upstream_bad_answer"
            return b""
        if not isinstance(value, dict) or not text[end:].isspace():
            self.failed = "upstream_bad_answer"
            return b""
        if value.get("error"):
            self.failed = "upstream_error"
            return b""
        if "usage" in value:
            tokens = _tokens(value["usage"])
            if tokens is not None:
                self.tokens = tokens
                if not value.get("choices") and not self._wants_usage:
                    return b""  # the chunk that only the injected option made
            elif not self._wants_usage:
                event = _USAGE_NULL.sub(b"", event, count=1)
        self.chunks += 1
        return _MODEL.sub(self._name, event) if "model" in value else event


def models(alias: str, created_ms: int) -> bytes:
    """Return the list of the one model that a grant reaches."""
    entry = {"id": alias, "object": "model", "created": created_ms // 1000, "owned_by": "slipway"}
    return _encode({"object": "list", "data": [entry]}).encode("utf-8")


def error(refusal: Refusal) -> bytes:
    """Return the error body of a refusal."""
    kind = _TYPES.get(refusal.status, "server_error")
    body = {"message": refusal.message, "type": kind, "param": None, "code": refusal.code}
    return _encode({"error": body}).encode("utf-8")


def error_headers(refusal: Refusal) -> list[tuple[bytes, bytes]]:
    """Return the headers of a refusal: whether to try again, and when."""
    headers = [(b"content-type", b"application/json")]
    if refusal.retry is not None:
        headers.append((b"x-should-retry", b"true" if refusal.retry else b"false"))
    if refusal.retry_after is not None:
        headers.append((b"retry-after", str(refusal.retry_after).encode("ascii")))
    return headers


def error_event(refusal: Refusal) -> bytes:
    """Return the event that ends a live stream early."""
    return sse.event(error(refusal))
