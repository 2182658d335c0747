"""``Idempotency-Key`` on API writes: a repeated request gets the first answer, and nothing is done twice.

A row is claimed before the act and completed with the answer after it. When
the process dies between the two, nobody knows whether the act happened: the
repeat is then told so (409 ``idempotency.unknown``) instead of acting again.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse

from slipway.base.errors import SlipwayError
from slipway.desk.accounts.models import IdempotencyKey
from slipway.desk.accounts.viewer import Viewer, viewer_of

HEADER: Final = "Idempotency-Key"
KEEP: Final = timedelta(hours=24)
# No request runs longer: uvicorn and the proxy in front would have given up.
RUNNING: Final = timedelta(minutes=2)
_WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_Next = Callable[[HttpRequest], HttpResponseBase]


class IdempotencyMiddleware:
    """Claims, completes and replays API writes that carry an ``Idempotency-Key``."""

    def __init__(self, get_response: _Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Handle one request."""
        key = request.headers.get(HEADER)
        if key is None or request.method not in _WRITES or not request.path.startswith("/api/"):
            return self.get_response(request)
        viewer = viewer_of(request)
        if not viewer.signed_in:
            return self.get_response(request)
        if not 8 <= len(key) <= 200 or not key.isascii() or not key.isprintable():
            return _problem("idempotency.key", "Idempotency-Key takes 8 to 200 printable characters", 422)
        return self._once(request, viewer, key)

    def _once(self, request: HttpRequest, viewer: Viewer, key: str) -> HttpResponseBase:
        digest = _digest("row", viewer.person_id or "", viewer.organisation_id or "", key)
        asked = _digest(
            str(request.method), request.get_full_path(), hashlib.sha256(request.body).hexdigest()
        )
        now = datetime.now(UTC)
        IdempotencyKey.objects.filter(created_at__lt=now - KEEP).delete()
        try:
            with transaction.atomic():
                IdempotencyKey.objects.create(digest=digest, request_digest=asked, created_at=now)
        except IntegrityError:
            return _replay(IdempotencyKey.objects.filter(pk=digest).first(), asked, key, now)
        done = False
        try:
            response = self.get_response(request)
            done = isinstance(response, HttpResponse) and response.status_code < 500
        finally:
            if not done:
                # Nothing was acted on (an action is one transaction): the caller may try again.
                IdempotencyKey.objects.filter(pk=digest).delete()
        if done and isinstance(response, HttpResponse):
            IdempotencyKey.objects.filter(pk=digest).update(
                status=response.status_code,
                content_type=response.headers.get("Content-Type", ""),
                sealed_body=_seal(key, digest, response.content),
            )
        return response


def _replay(row: IdempotencyKey | None, asked: str, key: str, now: datetime) -> HttpResponseBase:
    if row is None:
        return _problem("idempotency.busy", "the first request with this key just failed; send it again", 409)
    if row.request_digest != asked:
        return _problem("idempotency.reused", "this Idempotency-Key was used for another request", 422)
    if row.status is None or row.sealed_body is None:
        if now - row.created_at < RUNNING:
            return _problem("idempotency.busy", "the first request with this key is still running", 409)
        return _problem(
            "idempotency.unknown",
            "the first request with this key never ended; read the object to see whether it was done",
            409,
        )
    response = HttpResponse(
        _open(key, row.digest, bytes(row.sealed_body)), status=row.status, content_type=row.content_type
    )
    response.headers["Idempotency-Replayed"] = "true"
    return response


def _digest(*parts: str) -> str:
    joined = b"".join(len(p.encode()).to_bytes(4, "big") + p.encode() for p in parts)
    return hashlib.sha256(joined).hexdigest()


def _cipher(key: str) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, None, b"slipway idempotency v1").derive(key.encode()))


def _seal(key: str, digest: str, body: bytes) -> bytes:
    nonce = os.urandom(12)
    return base64.b64encode(nonce + _cipher(key).encrypt(nonce, body, digest.encode()))


def _open(key: str, digest: str, sealed: bytes) -> bytes:
    raw = base64.b64decode(sealed)
    try:
        return _cipher(key).decrypt(raw[:12], raw[12:], digest.encode())
    except InvalidTag:
        raise SlipwayError("the kept answer cannot be read", code="idempotency.unreadable") from None


def _problem(code: str, title: str, status: int) -> JsonResponse:
    body = {"type": f"urn:slipway:problem:{code}", "title": title, "status": status, "code": code}
    return JsonResponse(body, status=status, content_type="application/problem+json")
