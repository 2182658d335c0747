"""One exchange as a pure state machine; clock, stores and network are the caller's.

::

    received -> authorised -> admitted -> reserved -> opening -> open -> upstream -> relaying
                                              |          |        |         |           |
                                              +----------+--------+---------+-----------+--> settled
    settled -> closing -> closed

What it guarantees, whatever order events come in (proved in
``tests/gateway/test_exchange.py``): nothing is sent upstream and nothing is
released before the open record is durable; the last of an answer is released
only when the close record is durable; a reservation is settled exactly once;
an exchange that was opened is closed exactly once; after a cut nothing is
released.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from slipway.gateway import grants
from slipway.gateway.grants import Access, Snapshot
from slipway.gateway.limits import Limits, Reservation
from slipway.gateway.refusal import Refusal

COMPLETED = "completed"
CLIENT_GONE = "client_gone"


class Stage(StrEnum):
    """Where an exchange is."""

    RECEIVED = "received"
    AUTHORISED = "authorised"
    ADMITTED = "admitted"
    RESERVED = "reserved"
    OPENING = "opening"
    OPEN = "open"
    UPSTREAM = "upstream"
    RELAYING = "relaying"
    SETTLED = "settled"
    CLOSING = "closing"
    CLOSED = "closed"


TRANSITIONS: Mapping[Stage, frozenset[Stage]] = {
    Stage.RECEIVED: frozenset({Stage.AUTHORISED}),
    Stage.AUTHORISED: frozenset({Stage.ADMITTED}),
    Stage.ADMITTED: frozenset({Stage.RESERVED}),
    Stage.RESERVED: frozenset({Stage.OPENING, Stage.SETTLED}),
    Stage.OPENING: frozenset({Stage.OPEN, Stage.SETTLED}),
    Stage.OPEN: frozenset({Stage.UPSTREAM, Stage.SETTLED}),
    Stage.UPSTREAM: frozenset({Stage.RELAYING, Stage.SETTLED}),
    Stage.RELAYING: frozenset({Stage.SETTLED}),
    Stage.SETTLED: frozenset({Stage.CLOSING}),
    Stage.CLOSING: frozenset({Stage.CLOSED}),
    Stage.CLOSED: frozenset(),
}


_ANSWERED = (Stage.UPSTREAM, Stage.RELAYING)


class IllegalStep(RuntimeError):
    """The caller asked for a step that the machine does not allow: a bug, never a client's doing."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What must be durable before the upstream is called."""

    id: str
    access: Access
    route: str
    model: str
    stream: bool
    at_ms: int
    reserved: int
    request_commit: str | None


@dataclass(frozen=True, slots=True)
class Closed:
    """What must be durable before the last of the answer is released.

    ``tokens_*`` are the upstream's own figures, ``None`` when it gave none;
    ``charged`` is what counts against the budget either way.
    """

    id: str
    access: Access
    at_ms: int
    status: int
    outcome: str
    tokens_in: int | None
    tokens_out: int | None
    charged: int
    chunks: int
    response_commit: str | None


class Exchange:
    """State of one exchange. Methods are its steps; each raises :class:`IllegalStep` out of order."""

    __slots__ = (
        "_opened",
        "_reservation",
        "access",
        "charged",
        "chunks",
        "cut",
        "id",
        "known",
        "outcome",
        "route",
        "stage",
        "status",
        "stream",
        "tokens_in",
        "tokens_out",
    )

    def __init__(self, id: str, route: str) -> None:
        self.id = id
        self.route = route
        self.stage = Stage.RECEIVED
        self.stream = False
        self.known: Access | None = None  # the key's access, even where it is refused
        self.cut: Refusal | None = None
        self.status = 0
        self.outcome = ""
        self.tokens_in: int | None = None
        self.tokens_out: int | None = None
        self.charged = 0
        self.chunks = 0
        self._reservation: Reservation | None = None
        self._opened = False

    def _step(self, to: Stage) -> None:
        if to not in TRANSITIONS[self.stage]:
            raise IllegalStep(f"{self.stage} -> {to}")
        self.stage = to

    def authorise(self, snapshot: Snapshot, digest: str, now_ms: int) -> Access:
        """Find the key and see that its grant serves this route now; :class:`Refusal` 401 or 403."""
        access = self.known = snapshot.find(digest)
        if access is None:
            raise unknown_key()
        refusal = _refused(access, now_ms)
        if refusal is None and self.route not in access.grant.routes:
            allowed = ", ".join(sorted(access.grant.routes)) or "none"
            refusal = Refusal(
                403, "route_out_of_scope", f"This grant does not cover {self.route}; it covers {allowed}."
            )
        if refusal is not None:
            raise refusal
        self._step(Stage.AUTHORISED)
        self.access = access
        return access

    def admit(self, model: str, *, stream: bool) -> None:
        """See that the model is the grant's and its content policy can be kept; :class:`Refusal` 404, 403."""
        grant = self.access.grant
        if model != grant.model_alias:
            raise Refusal(
                404,
                "model_not_found",
                "The model does not exist or this key does not reach it; see GET /v1/models.",
            )
        policy = grant.content_policy
        if policy not in grants.COMMIT_POLICIES and policy not in grants.METADATA_POLICIES:
            # Serving on with a weaker policy than was agreed would be worse than not serving.
            raise Refusal(
                403, "content_policy_unsupported", "This gateway cannot keep the grant's content policy."
            )
        self._step(Stage.ADMITTED)
        self.stream = stream

    def reserve(self, limits: Limits, tokens: int, now: float) -> None:
        """Take a place and budget; :class:`Refusal` 403 or 429. ``now`` is monotonic seconds."""
        if Stage.RESERVED not in TRANSITIONS[self.stage]:
            raise IllegalStep(f"{self.stage} -> reserved")
        self._reservation = limits.reserve(self.access.grant, tokens, now)
        self._step(Stage.RESERVED)

    def open(self, now_ms: int, request_commit: str | None) -> Opened:
        """Return the open record; it must be durable before :meth:`opened`."""
        self._step(Stage.OPENING)
        access, reservation = self.access, self._reservation
        assert reservation is not None
        return Opened(
            self.id,
            access,
            self.route,
            access.grant.model_alias,
            self.stream,
            now_ms,
            reservation.tokens,
            request_commit,
        )

    def opened(self) -> None:
        """Note that the open record is durable."""
        self._step(Stage.OPEN)
        self._opened = True

    def send(self) -> None:
        """Note that the upstream is called now; :class:`IllegalStep` after a cut."""
        if self.cut is not None:
            raise IllegalStep("cut, nothing is sent")
        self._step(Stage.UPSTREAM)

    def relay(self) -> None:
        """Note that the upstream answers and its events may be released as they come."""
        self._step(Stage.RELAYING)

    @property
    def releasable(self) -> bool:
        """Whether bytes of the upstream's may go to the client now."""
        if self.stage is Stage.CLOSED:
            return self.outcome == COMPLETED
        return self.stage is Stage.RELAYING and self.stream and self.cut is None

    def interrupt(self, cut: Refusal) -> bool:
        """Cut the exchange. Says whether this was the first cut and came before its end was settled."""
        if self.cut is not None or self.stage in (Stage.SETTLED, Stage.CLOSING, Stage.CLOSED):
            return False
        self.cut = cut
        return True

    def recheck(self, snapshot: Snapshot, now_ms: int) -> Refusal | None:
        """Say why a newer state ends this exchange, ``None`` when it goes on."""
        access = snapshot.find(self.access.key.digest)
        if access is None:
            return Refusal(403, "key_revoked", "This key exists no longer; use another key of the grant.")
        if (
            access.grant.id != self.access.grant.id
            or access.grant.endpoint_id != self.access.grant.endpoint_id
        ):
            return Refusal(
                403, "grant_changed", "The grant now reaches another endpoint; send the request again."
            )
        return _refused(access, now_ms)

    def settle(
        self,
        limits: Limits,
        *,
        outcome: str,
        status: int,
        tokens: tuple[int, int] | None,
        charge_unknown: bool,
        chunks: int = 0,
    ) -> None:
        """Give the reservation back and charge the budget. Before a reservation there is nothing to settle.

        ``tokens`` is the upstream's usage. With ``charge_unknown``, usage that is
        not known is charged as reserved: leaving early must not be a way round a
        budget.
        """
        if outcome == COMPLETED and (self.cut is not None or self.stage not in _ANSWERED):
            raise IllegalStep(f"{self.stage} -> completed")
        self._step(Stage.SETTLED)
        reservation = self._reservation
        assert reservation is not None
        if tokens is not None:
            self.tokens_in, self.tokens_out = tokens
            self.charged = tokens[0] + tokens[1]
        else:
            self.charged = reservation.tokens if charge_unknown else 0
        self.outcome, self.status, self.chunks = outcome, status, chunks
        limits.settle(reservation, self.charged)

    @property
    def must_close(self) -> bool:
        """Whether an open record is durable and a close record is due."""
        return self._opened and self.stage is Stage.SETTLED

    def close(self, now_ms: int, response_commit: str | None) -> Closed:
        """Return the close record; it must be durable before :meth:`closed`."""
        if not self._opened:
            raise IllegalStep("nothing was opened")
        self._step(Stage.CLOSING)
        return Closed(
            self.id,
            self.access,
            now_ms,
            self.status,
            self.outcome,
            self.tokens_in,
            self.tokens_out,
            self.charged,
            self.chunks,
            response_commit,
        )

    def closed(self) -> None:
        """Note that the close record is durable."""
        self._step(Stage.CLOSED)


def unknown_key() -> Refusal:
    """Return the one answer to every key that does not exist, whatever its shape."""
    return Refusal(401, "invalid_api_key", "The API key is missing or unknown; use a key issued for a grant.")


def _refused(access: Access, now_ms: int) -> Refusal | None:
    why = grants.denied(access, now_ms)
    return None if why is None else Refusal(403, why.code, why.message)
