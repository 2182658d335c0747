"""Strict JSON in, canonical JSON (RFC 8785) out.

The value model is the part of JSON on which every reader agrees: objects with
unique keys, arrays, strings of Unicode scalar values, integers within
±(2^53-1), true, false and null. Floats are refused (scores are decimal
strings), so that canonical bytes never depend on number formatting.

Reading uses the standard library only, so that the verifier can use it;
writing goes through the ``rfc8785`` package. Tests prove that both give the
same bytes for every value of the model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, TypeAlias

from slipway.evidence.reasons import EvidenceError, Reason

JSON: TypeAlias = "bool | int | str | Sequence[JSON] | Mapping[str, JSON] | None"

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 64


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise EvidenceError(Reason.JSON_DUPLICATE_KEY, f"object has the key {key!r} twice")
            seen.add(key)
    return result


def _float(text: str) -> NoReturn:
    raise EvidenceError(Reason.JSON_FLOAT, f"{text[:40]} is not an integer; write decimals as strings")


def _integer(text: str) -> int:
    # The length test comes first: int() of a very long text is slow (and CPython refuses it).
    if len(text) > 17 or abs(int(text)) > MAX_INTEGER:
        raise EvidenceError(Reason.JSON_INTEGER_RANGE, f"{text[:40]} is beyond 2^53-1; write it as a string")
    return int(text)


def _check(value: object, path: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise EvidenceError(Reason.JSON_DEPTH, f"{path[:80]}: nested deeper than {MAX_DEPTH}")
    if value is None or value is True or value is False:
        return
    if isinstance(value, str):
        _check_text(value, path)
    elif isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise EvidenceError(Reason.JSON_INTEGER_RANGE, f"{path}: beyond 2^53-1; write it as a string")
    elif isinstance(value, float):
        raise EvidenceError(Reason.JSON_FLOAT, f"{path}: floats are refused; write decimals as strings")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise EvidenceError(Reason.JSON_TYPE, f"{path}: key {key!r} is not text")
            _check_text(key, path)
            _check(item, f"{path}.{key}", depth + 1)
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            _check(item, f"{path}[{position}]", depth + 1)
    else:
        raise EvidenceError(Reason.JSON_TYPE, f"{path}: {type(value).__name__} is not a JSON value")


def _check_text(text: str, path: str) -> None:
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise EvidenceError(Reason.JSON_SURROGATE, f"{path}: text contains a lone surrogate") from None


def check(value: object) -> None:
    """Raise :class:`EvidenceError` when ``value`` is outside the value model."""
    _check(value, "$", 0)


def loads(data: bytes) -> Any:
    """Parse UTF-8 JSON strictly; raise :class:`EvidenceError` with a named reason."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise EvidenceError(Reason.JSON_ENCODING, f"not UTF-8 at byte {error.start}") from None
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_float=_float, parse_int=_integer, parse_constant=_float
        )
    except json.JSONDecodeError as error:
        raise EvidenceError(Reason.JSON_SYNTAX, f"not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise EvidenceError(Reason.JSON_DEPTH, f"nested deeper than {MAX_DEPTH}") from None
    check(value)
    return value


def loads_canonical(data: bytes) -> Any:
    """Parse strictly and refuse bytes that are not their value's one canonical form."""
    value = loads(data)
    if encode(value) != data:
        raise EvidenceError(Reason.JSON_NOT_CANONICAL, "bytes are not canonical JSON (RFC 8785)")
    return value


def _sorted(value: Any) -> Any:
    # RFC 8785 3.2.3 sorts keys by UTF-16 code units; Python sorts by code points,
    # which differs as soon as one key has a character beyond U+FFFF.
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value, key=lambda k: k.encode("utf-16-be"))}
    if isinstance(value, list | tuple):
        return [_sorted(item) for item in value]
    return value


def encode(value: Any) -> bytes:
    """Return the canonical bytes of an already checked value, with the standard library alone."""
    return json.dumps(_sorted(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def dumps(value: JSON) -> bytes:
    """Return canonical JSON bytes; raise :class:`EvidenceError` outside the value model."""
    check(value)
    import rfc8785  # only writers need it; the verifier stays on the standard library

    return rfc8785.dumps(_plain(value))


def _plain(value: Any) -> Any:
    """Mappings to dict and sequences to list: rfc8785 knows no other containers."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
