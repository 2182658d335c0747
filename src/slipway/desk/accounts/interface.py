"""What accounts needs from an app to its right: evidence for its acts, and keys for its parties.

Accounts come before records in the order of apps, because a record names the
viewer who acted. The records app provides this port when it is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from slipway.desk.accounts.viewer import Viewer


class Evidence(Protocol):
    """Writes evidence records and makes party keys."""

    def record(
        self,
        *,
        acting: Viewer,
        type: str,
        review: str | None,
        body: Mapping[str, Any],
        party: str | None = None,
    ) -> str:
        """Write one record inside the caller's transaction; return its id."""
        ...

    def create_party_key(self, slug: str) -> str:
        """Make the signing key of a party if it has none; return its verification key."""
        ...


class _NotProvided:
    """Stands here until the records app is loaded; an act without a record must not happen."""

    def record(self, **_: Any) -> str:
        raise RuntimeError("no evidence port: slipway.desk.records is not installed")

    def create_party_key(self, slug: str) -> str:
        raise RuntimeError(f"no evidence port, so no key for {slug}: slipway.desk.records is not installed")


_evidence: Evidence = _NotProvided()


def provide(evidence: Evidence) -> None:
    """Install the port; called once by the records app."""
    global _evidence
    _evidence = evidence


def evidence() -> Evidence:
    """Return the port."""
    return _evidence
