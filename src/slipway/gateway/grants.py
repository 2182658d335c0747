"""Grants, keys and endpoints as one immutable snapshot with its epoch.

The request path only ever reads a snapshot; nothing in it can be written back.
(In other gateways a request in flight that wrote a stale key object back made a
revocation never take effect.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

ACTIVE = "active"
LIVE = "live"

METADATA_POLICIES = frozenset({"metadata", "metadata only", "metadata_only"})
COMMIT_POLICIES = frozenset({"", "commit"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model is served; ``sealed`` opens only in the upstream module."""

    id: str
    review_id: str
    model_alias: str
    sealed: str
    retired_ms: int | None


@dataclass(frozen=True, slots=True)
class Grant:
    """One two-party window on one model. Limits of ``None`` mean unlimited."""

    id: str
    number: int
    review_id: str
    endpoint_id: str
    party: str
    model_alias: str
    routes: frozenset[str]
    state: str
    not_before_ms: int
    not_after_ms: int
    agreed: bool
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None
    budget_requests: int | None = None
    budget_tokens: int | None = None
    content_policy: str = "commit"


@dataclass(frozen=True, slots=True)
class Key:
    """One API key by its digest; ``hint`` is its last four characters."""

    id: str
    grant_id: str
    digest: str
    hint: str
    live: bool


@dataclass(frozen=True, slots=True)
class Access:
    """A key with the grant it belongs to and the endpoint the grant reaches (if it has one)."""

    key: Key
    grant: Grant
    endpoint: Endpoint | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that decides access, as of ``epoch``."""

    epoch: int
    keys: Mapping[str, Key]
    grants: Mapping[str, Grant]
    endpoints: Mapping[str, Endpoint]

    @classmethod
    def of(cls, epoch: int, keys: list[Key], grants: list[Grant], endpoints: list[Endpoint]) -> Snapshot:
        """Return a snapshot of the rows given, indexed for look-up."""
        return cls(
            epoch,
            MappingProxyType({key.digest: key for key in keys}),
            MappingProxyType({grant.id: grant for grant in grants}),
            MappingProxyType({endpoint.id: endpoint for endpoint in endpoints}),
        )

    def find(self, digest: str) -> Access | None:
        """Return the access behind a key digest, whatever its state, or ``None`` when it is unknown."""
        key = self.keys.get(digest)
        if key is None:
            return None
        grant = self.grants.get(key.grant_id)
        if grant is None:
            return None
        return Access(key, grant, self.endpoints.get(grant.endpoint_id))


EMPTY = Snapshot.of(-1, [], [], [])


@dataclass(frozen=True, slots=True)
class Denied:
    """Why access is not given: a stable ``code`` and a sentence that says what to do."""

    code: str
    message: str


_STATE_DENIED: Mapping[str, Denied] = MappingProxyType(
    {
        "draft": Denied(
            "grant_not_agreed", "This grant is not agreed by both parties yet; ask them to agree it."
        ),
        "paused": Denied("grant_paused", "The developer has paused this grant; wait until it is resumed."),
        "ended": Denied("grant_ended", "The developer has ended this grant; a new grant is needed."),
        "revoked": Denied("grant_revoked", "The developer has revoked this grant; a new grant is needed."),
        "expired": Denied("grant_expired", "The window of this grant is over; a new grant is needed."),
    }
)
_OVER = frozenset({"ended", "revoked", "expired"})
_UNKNOWN_STATE = Denied("grant_not_active", "This grant is not active; ask the developer.")
_KEY_REVOKED = Denied("key_revoked", "This key was revoked; use another key of the grant.")
_NOT_AGREED = _STATE_DENIED["draft"]
_TOO_EARLY = Denied("grant_not_open", "The window of this grant has not opened yet; wait until it does.")
_TOO_LATE = _STATE_DENIED["expired"]
_NO_ENDPOINT = Denied("endpoint_missing", "The developer has no model endpoint registered for this grant.")


def denied(access: Access, now_ms: int) -> Denied | None:
    """Say why ``access`` gives nothing at ``now_ms``, or ``None`` when it is good.

    The window is half-open: the first millisecond of ``not_after`` is outside.
    """
    grant = access.grant
    if not access.key.live and grant.state not in _OVER:
        return _KEY_REVOKED
    # The end of a grant kills its keys: "use another key" would send the caller on a search for nothing.
    if grant.state != ACTIVE:
        return _STATE_DENIED.get(grant.state, _UNKNOWN_STATE)
    if not grant.agreed:
        return _NOT_AGREED
    if now_ms >= grant.not_after_ms:
        return _TOO_LATE
    if now_ms < grant.not_before_ms:
        return _TOO_EARLY
    endpoint = access.endpoint
    if endpoint is None or endpoint.retired_ms is not None or endpoint.review_id != grant.review_id:
        return _NO_ENDPOINT
    return None
