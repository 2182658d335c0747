"""Rates, concurrency and budgets of grants. Pure: time comes in as an argument.

Everything is reserved before the call and settled after it. (Where budgets are
only counted afterwards, four of five concurrent calls pass a spent budget.)
Counters live apart from grant state; the request path writes only here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from slipway.gateway.grants import Grant
from slipway.gateway.refusal import Refusal

_CONCURRENCY_RETRY_SECONDS = 1


@dataclass(slots=True)
class Bucket:
    """A token bucket over one minute: holds ``per_minute``, refills evenly."""

    per_minute: int
    level: float
    at: float

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until ``amount`` is there, 0 when it is now. Takes nothing."""
        self.level = min(float(self.per_minute), self.level + max(0.0, now - self.at) * self.per_minute / 60)
        self.at = now
        if self.per_minute == 0:
            return math.inf
        # More than a whole bucket can never be there at once: a full bucket lets it through.
        missing = min(amount, float(self.per_minute)) - self.level
        return 0.0 if missing <= 0 else missing * 60 / self.per_minute

    def take(self, amount: float) -> None:
        """Take ``amount``; the level may go below zero when more was used than was asked for."""
        self.level -= amount

    def give(self, amount: float) -> None:
        """Put back what was taken and not used."""
        self.level = min(float(self.per_minute), self.level + amount)


@dataclass(slots=True)
class _State:
    """Counters of one grant. ``charged`` and ``requests`` are settled use, ``reserved`` what is under way.

    ``arriving`` counts requests whose body is being read: they hold memory and no reservation yet.
    """

    requests: int = 0
    charged: int = 0
    running: int = 0
    arriving: int = 0
    reserved: int = 0
    per_request: Bucket | None = None
    per_token: Bucket | None = None


@dataclass(slots=True)
class Reservation:
    """One exchange's place. Settled exactly once."""

    grant_id: str
    tokens: int
    settled: bool = field(default=False)


class Limits:
    """All grants' counters of one worker."""

    def __init__(self, used: Mapping[str, tuple[int, int]] | None = None) -> None:
        """``used`` gives (requests, charged tokens) by grant id as the ledger remembers them."""
        self._states = {
            grant_id: _State(requests, charged) for grant_id, (requests, charged) in (used or {}).items()
        }

    def running(self, grant_id: str) -> int:
        """Return how many exchanges of a grant hold a place now."""
        state = self._states.get(grant_id)
        return 0 if state is None else state.running

    def spent(self, grant_id: str) -> tuple[int, int]:
        """Return (requests, tokens) of a grant, settled and reserved together."""
        state = self._states.get(grant_id)
        return (0, 0) if state is None else (state.requests + state.running, state.charged + state.reserved)

    def arrive(self, grant: Grant) -> None:
        """Take a place for a request whose body is read now; :meth:`arrived` gives it back.

        Without it one key could hold as many bodies in memory as there may be
        connections, whatever its concurrency. Raises :class:`Refusal` 429.
        """
        state = self._states.get(grant.id)
        if state is None:
            state = self._states[grant.id] = _State()
        _check_places(state, grant)
        state.arriving += 1

    def arrived(self, grant_id: str) -> None:
        """Give back the place that :meth:`arrive` took."""
        self._states[grant_id].arriving -= 1

    def reserve(self, grant: Grant, tokens: int, now: float) -> Reservation:
        """Take a place, a request and ``tokens`` of the grant, all or nothing.

        Raises :class:`Refusal`: 403 for a spent budget, 429 with ``retry_after``
        for a rate or the concurrency. ``now`` is monotonic seconds.
        """
        state = self._states.get(grant.id)
        if state is None:
            state = self._states[grant.id] = _State()
        self._budget(state, grant, tokens)
        _check_places(state, grant)
        requests = self.rate(grant, now)
        bucket = state.per_token = _fitted(state.per_token, grant.tokens_per_minute, now)
        if bucket is not None:
            _check_wait(bucket.wait(tokens, now), "token_rate_limit", grant.tokens_per_minute, "tokens")
            bucket.take(tokens)
        if requests is not None:
            requests.take(1)
        state.running += 1
        state.reserved += tokens
        return Reservation(grant.id, tokens)

    def rate(self, grant: Grant, now: float) -> Bucket | None:
        """Return the grant's request bucket when it holds a request; :class:`Refusal` 429 when not."""
        state = self._states.get(grant.id)
        if state is None:
            state = self._states[grant.id] = _State()
        bucket = state.per_request = _fitted(state.per_request, grant.requests_per_minute, now)
        if bucket is not None:
            _check_wait(bucket.wait(1, now), "request_rate_limit", grant.requests_per_minute, "requests")
        return bucket

    def settle(self, reservation: Reservation, charged: int) -> None:
        """Give the place back and charge what was really used; a second call is an error."""
        if reservation.settled:
            raise ValueError("reservation was settled before")
        reservation.settled = True
        state = self._states[reservation.grant_id]
        state.running -= 1
        state.reserved -= reservation.tokens
        state.requests += 1
        state.charged += charged
        if state.per_token is not None:
            difference = reservation.tokens - charged
            if difference >= 0:
                state.per_token.give(difference)
            else:
                state.per_token.take(-difference)

    @staticmethod
    def _budget(state: _State, grant: Grant, tokens: int) -> None:
        if grant.budget_requests is not None and state.requests + state.running >= grant.budget_requests:
            raise Refusal(
                403,
                "request_budget_spent",
                f"All {grant.budget_requests} requests of this grant are used; ask for a new grant.",
            )
        if grant.budget_tokens is None:
            return
        left = grant.budget_tokens - state.charged - state.reserved
        if left <= 0 or tokens > left:
            raise Refusal(
                403,
                "token_budget_spent",
                f"This request reserves {tokens} tokens and {max(left, 0)} of the grant's "
                f"{grant.budget_tokens} are free; lower max_tokens, "
                "wait for running requests to end, or ask for a new grant.",
            )


def _check_places(state: _State, grant: Grant) -> None:
    if grant.concurrency is not None and state.running + state.arriving >= grant.concurrency:
        raise Refusal(
            429,
            "concurrency_limit",
            f"This grant allows {grant.concurrency} exchanges at once; wait until one has ended.",
            retry=True,
            retry_after=_CONCURRENCY_RETRY_SECONDS,
        )


def _fitted(bucket: Bucket | None, per_minute: int | None, now: float) -> Bucket | None:
    """Return the bucket for a rate, a full new one when the rate was changed or set first."""
    if per_minute is None:
        return None
    if bucket is None or bucket.per_minute != per_minute:
        return Bucket(per_minute, float(per_minute), now)
    return bucket


def _check_wait(seconds: float, code: str, per_minute: int | None, what: str) -> None:
    if seconds <= 0:
        return
    whole = 60 if math.isinf(seconds) else min(60, max(1, math.ceil(seconds)))
    raise Refusal(
        429,
        code,
        f"This grant allows {per_minute} {what} a minute; try again in {whole} s.",
        retry=True,
        retry_after=whole,
    )
