"""Ports of the gateway's stores and the columns that it expects to find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from slipway.gateway.grants import Snapshot

CONTROL_TABLES: dict[str, tuple[str, ...]] = {
    "access_control": ("id", "epoch"),
    "access_endpoint": (
        "id",
        "review_id",
        "model_alias",
        "sealed",
        "seal_key_id",
        "created_ms",
        "retired_ms",
    ),
    "access_grant": (
        "id",
        "number",
        "review_id",
        "endpoint_id",
        "party",
        "model_alias",
        "access_level",
        "routes",
        "purpose",
        "state",
        "not_before_ms",
        "not_after_ms",
        "requests_per_minute",
        "tokens_per_minute",
        "concurrency",
        "budget_requests",
        "budget_tokens",
        "content_policy",
        "recipients",
        "agreed_by_developer_ms",
        "agreed_by_reviewer_ms",
        "epoch",
        "created_ms",
    ),
    "access_key": ("id", "grant_id", "digest", "hint", "label", "state", "created_ms", "revoked_ms"),
}
"""Tables and columns, in order, that the gateway reads. Times are epoch milliseconds."""


class ControlSource(Protocol):
    """Where grants, keys and endpoints are read from. Used by one thread only."""

    def changed(self) -> bool:
        """Say whether anything may have changed since :meth:`read`.

        Also proves that the store is still there: raises
        :class:`~slipway.base.errors.Unavailable` when it is not.
        """
        ...

    def read(self) -> Snapshot:
        """Return everything as of one moment; :class:`~slipway.base.errors.Unavailable` when it cannot."""
        ...

    def close(self) -> None:
        """Let go of the store."""
        ...


@dataclass(frozen=True, slots=True)
class Usage:
    """What one grant has used so far. ``charged`` is what counts against the token budget."""

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    charged: int = 0
    refused: int = 0
    open: int = 0
    last_ms: int | None = None
