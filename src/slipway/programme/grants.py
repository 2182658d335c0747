"""Grants: one party's access to one model, agreed by both sides, as a transition table.

A draft becomes active only when the developer *and* the party that is given
access have agreed. From then on only the developer changes it; the clock may
end it. What the gateway enforces is the *effective* state, the lesser of the
grant's own state and the review's access (:func:`effective`): pausing the
review pauses every grant at once and resuming it brings back exactly those
that were active.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from slipway.base.clock import format_instant
from slipway.base.errors import ProblemList, Refused
from slipway.programme.roles import DEVELOPER_ROLES, REVIEWER_ROLES, Actor, Automatic, Role, title
from slipway.programme.stages import Access
from slipway.programme.windows import Window, expire


class GrantState(StrEnum):
    """Where a grant stands."""

    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"
    REVOKED = "revoked"
    EXPIRED = "expired"


class GrantAct(StrEnum):
    """Everything that anybody can do to a grant once it is proposed."""

    AGREE = "agree"
    DECLINE = "decline"
    PAUSE = "pause"
    RESUME = "resume"
    SHORTEN = "shorten"
    EXTEND = "extend"
    END = "end"
    REVOKE = "revoke"
    EXPIRE = "expire"


@dataclass(frozen=True, slots=True)
class Grant:
    """The state that the table decides on."""

    state: GrantState
    agreed_by_developer: bool
    agreed_by_reviewer: bool


@dataclass(frozen=True, slots=True)
class GrantTransition:
    """One row. ``agreed_by_…`` are conditions (``None``: whatever), ``sets_…`` effects."""

    state: GrantState
    act: GrantAct
    role: Actor
    to: GrantState
    agreed_by_developer: bool | None = None
    agreed_by_reviewer: bool | None = None
    sets_agreed_by_developer: bool | None = None
    sets_agreed_by_reviewer: bool | None = None

    def fits(self, grant: Grant) -> bool:
        """Say whether the row applies to this grant."""
        return (
            self.state == grant.state
            and self.agreed_by_developer in (None, grant.agreed_by_developer)
            and self.agreed_by_reviewer in (None, grant.agreed_by_reviewer)
        )

    def after(self, grant: Grant) -> Grant:
        """Return the grant that the row leads to."""
        developer, reviewer = self.sets_agreed_by_developer, self.sets_agreed_by_reviewer
        return replace(
            grant,
            state=self.to,
            agreed_by_developer=grant.agreed_by_developer if developer is None else developer,
            agreed_by_reviewer=grant.agreed_by_reviewer if reviewer is None else reviewer,
        )


_G = GrantState
_DEVELOPER = (Role.RELEASE_MANAGER, Role.LAB_SECURITY)
_REVIEWERS = (Role.EVALUATOR, Role.AUTHORITY, Role.PARTNER_USER)
_LIVE = (_G.ACTIVE, _G.PAUSED)


def _table() -> tuple[GrantTransition, ...]:
    rows = [
        GrantTransition(_G.DRAFT, GrantAct.AGREE, role, _G.ACTIVE, False, True, sets_agreed_by_developer=True)
        for role in _DEVELOPER
    ]
    rows += [
        GrantTransition(_G.DRAFT, GrantAct.AGREE, role, _G.ACTIVE, True, False, sets_agreed_by_reviewer=True)
        for role in _REVIEWERS
    ]
    rows += [
        GrantTransition(_G.DRAFT, GrantAct.DECLINE, role, _G.ENDED) for role in (*_DEVELOPER, *_REVIEWERS)
    ]
    for role in _DEVELOPER:
        rows.append(GrantTransition(_G.ACTIVE, GrantAct.PAUSE, role, _G.PAUSED))
        rows.append(GrantTransition(_G.PAUSED, GrantAct.RESUME, role, _G.ACTIVE))
        for state in _LIVE:
            rows.append(GrantTransition(state, GrantAct.SHORTEN, role, state))
            rows.append(GrantTransition(state, GrantAct.END, role, _G.ENDED))
        for state in (_G.DRAFT, *_LIVE):
            rows.append(GrantTransition(state, GrantAct.REVOKE, role, _G.REVOKED))
    rows += [GrantTransition(state, GrantAct.EXTEND, Role.RELEASE_MANAGER, state) for state in _LIVE]
    rows += [
        GrantTransition(state, GrantAct.EXPIRE, Automatic.CLOCK, _G.EXPIRED) for state in (_G.DRAFT, *_LIVE)
    ]
    return tuple(rows)


GRANT_TRANSITIONS: tuple[GrantTransition, ...] = _table()
"""Every possible step of a grant after its proposal."""

PROPOSERS: frozenset[Role] = DEVELOPER_ROLES | REVIEWER_ROLES


def propose_grant(role: Actor) -> Grant:
    """Return the draft that ``role`` proposes; its own side's agreement is implied."""
    if role not in PROPOSERS:
        raise Refused(f"{title(role)} cannot propose a grant", code="act.not_yours")
    return Grant(_G.DRAFT, role in DEVELOPER_ROLES, role in REVIEWER_ROLES)


def grant_acts(
    grant: Grant, roles: Collection[Actor], table: Collection[GrantTransition] = GRANT_TRANSITIONS
) -> tuple[GrantAct, ...]:
    """Return what somebody with these roles can do to the grant now."""
    found = {row.act for row in table if row.role in roles and row.fits(grant)}
    return tuple(act for act in GrantAct if act in found)


def apply_grant(
    grant: Grant, act: GrantAct, role: Actor, table: Collection[GrantTransition] = GRANT_TRANSITIONS
) -> Grant:
    """Return the grant after the act, or raise :class:`Refused` that says what would be right."""
    for row in table:
        if row.act == act and row.role == role and row.fits(grant):
            return row.after(grant)
    mine = [row for row in table if row.act == act and row.role == role]
    if not mine:
        owners = sorted({title(row.role) for row in table if row.act == act}) or ["nobody"]
        raise Refused(
            f"{title(role)} cannot {act} a grant; that is for {' or '.join(owners)}", code="act.not_yours"
        )
    if not any(row.state == grant.state for row in mine):
        states = sorted({str(row.state) for row in mine})
        raise Refused(
            f"cannot {act} a grant that is {grant.state}; it must be {' or '.join(states)}",
            code="act.wrong_state",
        )
    raise Refused(
        f"{title(role)} has agreed already; the other side's agreement is missing", code="act.wrong_state"
    )


def effective(state: GrantState, access: Access) -> GrantState:
    """Return what the gateway must enforce: never more than the review's access allows."""
    if state not in _LIVE:
        return state
    if access in (Access.NONE, Access.ENDED):
        return _G.PAUSED if access is Access.NONE else _G.ENDED
    return _G.PAUSED if access is Access.PAUSED else state


class Limits(Protocol):
    """The limits of a grant; ``None`` means no budget beyond the rates."""

    @property
    def requests_per_minute(self) -> int:
        """Requests started in a minute."""
        ...

    @property
    def tokens_per_minute(self) -> int:
        """Tokens in and out in a minute."""
        ...

    @property
    def concurrency(self) -> int:
        """Requests under way at once."""
        ...

    @property
    def budget_requests(self) -> int:
        """Requests in all."""
        ...

    @property
    def budget_tokens(self) -> int:
        """Tokens in all."""
        ...


CONTENT_POLICIES: Mapping[str, str] = MappingProxyType(
    {
        "metadata": "metadata only: no trace of the content",
        "commit": "salted commitments to the content; each side can prove later what was said",
        "sealed_reviewer": "content sealed to the reviewer",
        "sealed_developer": "content sealed to the developer",
        "sealed_both": "content sealed to both sides",
    }
)
"""What the gateway keeps of an exchange, and in which words a page says so."""


@dataclass(frozen=True, slots=True)
class GrantRequest:
    """What a proposer asked for; ``None`` takes the pack's default."""

    access_level: str | None = None
    routes: Sequence[str] | None = None
    purpose: str = ""
    days: int | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None
    budget_requests: int | None = None
    budget_tokens: int | None = None
    content_policy: str | None = None


@dataclass(frozen=True, slots=True)
class GrantTerms:
    """What was settled: every value concrete, within the pack and the window."""

    access_level: str
    routes: tuple[str, ...]
    purpose: str
    not_before: datetime
    not_after: datetime
    requests_per_minute: int
    tokens_per_minute: int
    concurrency: int
    budget_requests: int
    budget_tokens: int
    content_policy: str


class GrantRules(Protocol):
    """What settling needs of the policy pack (its ``grants`` table has it)."""

    @property
    def max_days(self) -> int:
        """Longest grant, in days."""
        ...

    @property
    def level_ids(self) -> tuple[str, ...]:
        """Access levels that the pack offers."""
        ...

    @property
    def default_level(self) -> str:
        """Level when none is named."""
        ...

    @property
    def routes(self) -> tuple[str, ...]:
        """Routes that a grant may open; all of them when none is named."""
        ...

    @property
    def content_policies(self) -> tuple[str, ...]:
        """Content policies that the pack allows; the first is the default."""
        ...

    @property
    def defaults(self) -> Limits:
        """Limits when none is named."""
        ...

    @property
    def maximums(self) -> Limits:
        """Limits that no grant may pass."""
        ...


_LIMITS = ("requests_per_minute", "tokens_per_minute", "concurrency", "budget_requests", "budget_tokens")


def settle(rules: GrantRules, request: GrantRequest, at: datetime, window: Window | None) -> GrantTerms:
    """Fill a request from the pack and hold it to the pack's and the window's limits.

    A missing end is the window's end (or the pack's days when there is no
    window yet), never later than ``max_days`` from the beginning. Raises
    :class:`InvalidInput` with every problem found.
    """
    problems = ProblemList("grant")
    live = window is not None and expire(window, at).ended_at is None
    begins, ends = _span(rules, request, at, window if live else None, problems)
    level = request.access_level if request.access_level is not None else rules.default_level
    if level not in rules.level_ids:
        problems.add("access_level", f"{level!r} is not in the policy pack", _one_of(rules.level_ids))
    routes = tuple(dict.fromkeys(rules.routes if request.routes is None else request.routes))
    unknown = [route for route in routes if route not in rules.routes]
    if unknown or not routes:
        problems.add("routes", f"{unknown or 'none'} cannot be opened", f"choose among {list(rules.routes)}")
    policy = request.content_policy if request.content_policy is not None else rules.content_policies[0]
    if policy not in rules.content_policies:
        problems.add(
            "content_policy", f"{policy!r} is not allowed by the policy pack", _one_of(rules.content_policies)
        )
    purpose = request.purpose.strip()
    if not purpose:
        problems.add("purpose", "missing", "say in a sentence what the access is for")
    limits = _limits(rules, request, problems)
    problems.raise_if_any()
    return GrantTerms(
        access_level=level,
        routes=routes,
        purpose=purpose,
        not_before=begins,
        not_after=ends,
        content_policy=policy,
        **limits,
    )


def _span(
    rules: GrantRules, request: GrantRequest, at: datetime, window: Window | None, problems: ProblemList
) -> tuple[datetime, datetime]:
    begins = request.not_before or at
    latest = begins + timedelta(days=rules.max_days)
    if window is not None:
        latest = min(latest, window.closes)
    ends = latest
    if request.days is not None and request.not_after is not None:
        problems.add("not_after", "given together with days", "give one of the two")
    elif request.days is not None:
        if 1 <= request.days <= rules.max_days:
            # Days are a wish for a length: the window's end cuts them, as it would cut the access.
            ends = min(latest, begins + timedelta(days=request.days))
        else:
            problems.add("days", f"{request.days} is outside the policy pack", f"give 1 to {rules.max_days}")
    elif request.not_after is not None:
        ends = request.not_after
        if ends > latest:
            problems.add(
                "not_after",
                f"{format_instant(ends)} is later than the pack and the window allow",
                f"give at the latest {format_instant(latest)}",
            )
    if ends <= begins:
        problems.add(
            "not_before" if request.not_before else "not_after",
            f"the grant would end at {format_instant(ends)}, before it begins at {format_instant(begins)}",
            "choose a beginning before the end, inside the window",
        )
    return begins, ends


def _limits(rules: GrantRules, request: GrantRequest, problems: ProblemList) -> dict[str, int]:
    found = {}
    for name in _LIMITS:
        asked: int | None = getattr(request, name)
        value: int = getattr(rules.defaults, name) if asked is None else asked
        most: int = getattr(rules.maximums, name)
        if not 1 <= value <= most:
            problems.add(name, f"{value} is outside the policy pack", f"give 1 to {most}")
        found[name] = value
    return found


def _one_of(choices: Sequence[str]) -> str:
    return f"choose one of {', '.join(choices)}"
