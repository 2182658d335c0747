"""What the gateway answers when it does not answer: one exception, formatted by the family."""

from __future__ import annotations

from slipway.base.errors import Exit, SlipwayError


class Refusal(SlipwayError):
    """An exchange that is not served, or not served to its end.

    ``status`` is the HTTP status, ``code`` stable and machine-readable, the
    message says what to do. ``retry`` answers ``x-should-retry`` (``None`` leaves
    the choice to the client); ``retry_after`` is whole seconds.
    """

    exit_code = Exit.REFUSED

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        retry: bool | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.status = status
        self.retry = (False if status < 500 and retry_after is None else None) if retry is None else retry
        self.retry_after = retry_after


def stale() -> Refusal:
    """Return the refusal for a control state older than its lease."""
    return Refusal(
        503,
        "control_stale",
        "The gateway cannot see the current state of its grants and serves nothing until it can; try again.",
        retry=True,
        retry_after=1,
    )


def unrecorded() -> Refusal:
    """Return the refusal for an exchange whose evidence could not be stored."""
    return Refusal(
        503,
        "evidence_unavailable",
        "The gateway cannot record this exchange and so does not serve it; try again.",
        retry=True,
        retry_after=1,
    )


def stopping() -> Refusal:
    """Return the refusal of a gateway that is being stopped."""
    return Refusal(
        503, "gateway_stopping", "The gateway is being stopped; try again.", retry=True, retry_after=1
    )
