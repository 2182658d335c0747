"""What a failed call to the model means: try again, lose the attempt, or stop the run.

An answer that did not come is never an answer of the model. Whatever ends an
attempt here makes it *missing*, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from slipway.base.errors import SlipwayError


class Fate(StrEnum):
    """What follows from a failed call."""

    RETRY = "retry"
    LOSE = "lose"
    STOP = "stop"


class AttemptLost(SlipwayError):
    """The attempt ended without a verdict on the model; its outcome is *missing*."""

    code = "attempt.lost"


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed call: what follows, a stable code, and words for people. ``wait`` is in seconds."""

    fate: Fate
    code: str
    reason: str
    wait: float | None = None

    @property
    def text(self) -> str:
        """Code and words in one line, as written into the journal."""
        return f"{self.code}: {self.reason}"


def from_status(status: int, code: str, message: str, retry_after: str | None = None) -> Failure:
    """Read a refusal of the gateway (or of any endpoint) by its HTTP status.

    401, 402 and 403 say that this key may not call any more: the window or the
    grant ended, the budget is spent. No other attempt can fare better, so the
    run stops. 404 means that the grant does not know the model.
    """
    words = message.strip()[:300] or f"HTTP {status}"
    if status in (401, 402, 403, 404):
        return Failure(Fate.STOP, code or f"http.{status}", f"the gateway refused: {words}")
    if status == 429:
        wait = float(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else None
        return Failure(Fate.RETRY, code or "http.429", f"the rate limit was reached: {words}", wait)
    if status >= 500 or status in (408, 409):
        return Failure(Fate.RETRY, code or f"http.{status}", f"the endpoint failed: {words}")
    return Failure(Fate.LOSE, code or f"http.{status}", f"the endpoint does not take the request: {words}")


def timed_out(seconds: float) -> Failure:
    """Return the failure of a call that was not answered in time."""
    return Failure(Fate.RETRY, "endpoint.timeout", f"no answer within {seconds:g} s")


def unreachable(detail: str) -> Failure:
    """Return the failure of a call that found nobody, or lost the connection."""
    return Failure(Fate.RETRY, "endpoint.unreachable", f"no connection: {detail[:200]}")


def garbage(detail: str) -> Failure:
    """Return the failure of an answer that is not of the API."""
    return Failure(Fate.RETRY, "endpoint.garbage", f"the answer is not a chat completion: {detail[:200]}")


def from_stream(code: str, message: str) -> Failure:
    """Read an error that was delivered inside a stream, after the status 200 had gone out.

    The gateway cuts live streams when the developer pauses, ends or revokes
    access; the next call will be refused with 403 and stop the run, so this
    one is simply tried again.
    """
    return Failure(Fate.RETRY, code or "endpoint.stream", f"the stream was cut: {message.strip()[:300]}")
