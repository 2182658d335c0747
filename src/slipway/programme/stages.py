"""Stages of a review and the acts that move it, as one plain table.

A row of :data:`TRANSITIONS` says: in this stage, this role may do this act,
under these conditions, with these effects. Nothing else is possible; there is
no code path beside the table. :mod:`slipway.programme.walk` walks the same
table exhaustively and shows that no row, and no combination of rows, takes the
release out of the developer's hands.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from slipway.base.errors import Refused
from slipway.programme.roles import Actor, Automatic, Role, title


class Stage(StrEnum):
    """Where a review stands."""

    DRAFT = "draft"
    OFFERED = "offered"
    AGREED = "agreed"
    OPEN = "open"
    PARTNERS = "partners"
    RELEASED = "released"
    WITHDRAWN = "withdrawn"


class Access(StrEnum):
    """Whether reviewers can reach the model now."""

    NONE = "none"
    OPEN = "open"
    PAUSED = "paused"
    ENDED = "ended"


class Part(StrEnum):
    """What the agency said about taking part. It speaks for its own part only."""

    NONE = "none"
    ASKED = "asked"
    ACCEPTED = "accepted"
    DECLINED = "declined"


class ReleasePoint(StrEnum):
    """Which release the days of a window count back from (a field of the policy pack)."""

    PARTNER_RELEASE = "partner_release"
    PUBLIC_RELEASE = "public_release"


class Act(StrEnum):
    """Everything that anybody can do to a review."""

    OFFER = "offer"
    AGREE = "agree"
    DECLINE = "decline"
    SET_ENDPOINT = "set_endpoint"
    PROPOSE_GRANT = "propose_grant"
    OPEN_ACCESS = "open_access"
    PAUSE_ACCESS = "pause_access"
    RESUME_ACCESS = "resume_access"
    SHORTEN_ACCESS = "shorten_access"
    EXTEND_ACCESS = "extend_access"
    END_ACCESS = "end_access"
    EXPIRE_ACCESS = "expire_access"
    REGISTER_RUN = "register_run"
    START_RUN = "start_run"
    RECORD_RUN = "record_run"
    DETERMINE = "determine"
    ISSUE_REPORT = "issue_report"
    RELEASE_PARTNERS = "release_partners"
    RELEASE_PUBLIC = "release_public"
    WITHDRAW = "withdraw"


@dataclass(frozen=True, slots=True)
class ReviewState:
    """The state that the table decides on.

    ``counts_back_from`` is the pack's and never changes during a review;
    ``outside`` marks a release that was recorded after a withdrawal.
    """

    stage: Stage = Stage.DRAFT
    access: Access = Access.NONE
    part: Part = Part.NONE
    determined: bool = False
    counts_back_from: ReleasePoint = ReleasePoint.PARTNER_RELEASE
    outside: bool = False


@dataclass(frozen=True, slots=True)
class Transition:
    """One row: in ``stage``, ``role`` may do ``act``, which leads ``to`` a stage.

    ``access``, ``part``, ``determined``, ``counts_back_from`` are conditions
    (``None``: whatever it is); ``sets_…`` are effects (``None``: unchanged).
    ``ends_own_grants``: whoever leaves gives up the access that was theirs, and
    nobody else's.
    """

    stage: Stage
    act: Act
    role: Actor
    to: Stage
    access: frozenset[Access] | None = None
    part: frozenset[Part] | None = None
    determined: bool | None = None
    counts_back_from: ReleasePoint | None = None
    sets_access: Access | None = None
    sets_part: Part | None = None
    sets_determined: bool | None = None
    sets_outside: bool | None = None
    ends_own_grants: bool = False

    def fits(self, state: ReviewState) -> bool:
        """Say whether the row applies in this state."""
        return (
            self.stage == state.stage
            and (self.access is None or state.access in self.access)
            and (self.part is None or state.part in self.part)
            and (self.determined is None or state.determined == self.determined)
            and (self.counts_back_from is None or state.counts_back_from == self.counts_back_from)
        )

    def after(self, state: ReviewState) -> ReviewState:
        """Return the state that the row leads to from ``state``."""
        return replace(
            state,
            stage=self.to,
            access=state.access if self.sets_access is None else self.sets_access,
            part=state.part if self.sets_part is None else self.sets_part,
            determined=state.determined if self.sets_determined is None else self.sets_determined,
            outside=state.outside if self.sets_outside is None else self.sets_outside,
        )


_S, _A, _P = Stage, Access, Part
_MANAGER = (Role.RELEASE_MANAGER,)
_DEVELOPER = (Role.RELEASE_MANAGER, Role.LAB_SECURITY)
_AGENCY = (Role.EVALUATOR, Role.AUTHORITY)
_LIVE = frozenset({_A.OPEN, _A.PAUSED})
_IDLE = frozenset({_A.NONE, _A.ENDED})
_ACCEPTED = frozenset({_P.ACCEPTED})
_UNRELEASED = (_S.DRAFT, _S.OFFERED, _S.AGREED, _S.OPEN, _S.PARTNERS)
_ACCESS_STAGES = (_S.OPEN, _S.PARTNERS)


def _rows(
    act: Act, roles: Iterable[Actor], stages: Iterable[Stage], to: Stage | None = None, **rest: Any
) -> list[Transition]:
    """Write one rule for several roles and stages; ``to=None`` stays where it is."""
    return [
        Transition(stage, act, role, stage if to is None else to, **rest)
        for stage in stages
        for role in roles
    ]


def _leave(
    act: Act, stages: Iterable[Stage], to: Stage, counts_back_from: ReleasePoint | None = None
) -> list[Transition]:
    """Write an act of the developer that ends access where there is any.

    ``access`` conditions here only choose the effect: together the rows cover
    every access state, so that none of them can stand in the way.
    """
    rest: dict[str, Any] = {"counts_back_from": counts_back_from}
    rows = []
    for stage in stages:
        if stage in _ACCESS_STAGES:
            rows += _rows(act, _MANAGER, (stage,), to, access=_LIVE, sets_access=_A.ENDED, **rest)
            rows += _rows(act, _MANAGER, (stage,), to, access=_IDLE, **rest)
        else:
            rows += _rows(act, _MANAGER, (stage,), to, **rest)
    return rows


def _release_rows() -> list[Transition]:
    """The release. No row here may carry a condition that anybody but the developer can change.

    A window counts back from one of two releases; when that release happens the
    window is over, because it was *before release*.
    """
    before_partners = (_S.DRAFT, _S.OFFERED, _S.AGREED, _S.OPEN)
    partner, public = ReleasePoint.PARTNER_RELEASE, ReleasePoint.PUBLIC_RELEASE
    to_partners, to_public = Act.RELEASE_PARTNERS, Act.RELEASE_PUBLIC
    return [
        *_leave(to_partners, before_partners, _S.PARTNERS, partner),
        *_rows(to_partners, _MANAGER, before_partners, _S.PARTNERS, counts_back_from=public),
        *_leave(to_public, _UNRELEASED, _S.RELEASED),
        # It withdrew from the review; its model remains its own.
        *_rows(to_public, _MANAGER, (_S.WITHDRAWN,), _S.RELEASED, sets_outside=True),
    ]


def _access_rows() -> list[Transition]:
    """Access to the model: opened and widened by the developer only, ended also by the clock."""
    open_only, paused_only = frozenset({_A.OPEN}), frozenset({_A.PAUSED})
    opened: dict[str, Any] = {"sets_access": _A.OPEN}
    ended: dict[str, Any] = {"sets_access": _A.ENDED}
    return [
        *_rows(Act.OPEN_ACCESS, _MANAGER, (_S.AGREED,), _S.OPEN, part=_ACCEPTED, **opened),
        *_rows(Act.OPEN_ACCESS, _MANAGER, (_S.OPEN,), part=_ACCEPTED, access=frozenset({_A.ENDED}), **opened),
        *_rows(Act.OPEN_ACCESS, _MANAGER, (_S.PARTNERS,), access=_IDLE, **opened),
        *_rows(Act.PAUSE_ACCESS, _DEVELOPER, _ACCESS_STAGES, access=open_only, sets_access=_A.PAUSED),
        *_rows(Act.RESUME_ACCESS, _DEVELOPER, _ACCESS_STAGES, access=paused_only, **opened),
        *_rows(Act.SHORTEN_ACCESS, _DEVELOPER, _ACCESS_STAGES, access=_LIVE),
        *_rows(Act.EXTEND_ACCESS, _MANAGER, _ACCESS_STAGES, access=_LIVE),
        *_rows(Act.END_ACCESS, _DEVELOPER, _ACCESS_STAGES, access=_LIVE, **ended),
        *_rows(Act.EXPIRE_ACCESS, (Automatic.CLOCK,), _ACCESS_STAGES, access=_LIVE, **ended),
    ]


def _review_rows() -> list[Transition]:
    """Offer, answer, work and withdrawal."""
    joined = (_S.AGREED, _S.OPEN, _S.PARTNERS)
    recorded = (*joined, _S.RELEASED)
    declined = frozenset({_P.DECLINED})
    return [
        *_rows(Act.OFFER, _MANAGER, (_S.DRAFT,), _S.OFFERED, sets_part=_P.ASKED),
        *_rows(Act.OFFER, _MANAGER, (_S.OFFERED,), part=declined, sets_part=_P.ASKED),
        *_rows(Act.AGREE, _AGENCY, (_S.OFFERED,), _S.AGREED, sets_part=_P.ACCEPTED),
        *_rows(Act.AGREE, _AGENCY, joined, part=declined, sets_part=_P.ACCEPTED),
        *_rows(Act.DECLINE, _AGENCY, (_S.OFFERED,), part=frozenset({_P.ASKED}), sets_part=_P.DECLINED),
        *_rows(Act.DECLINE, _AGENCY, joined, part=_ACCEPTED, sets_part=_P.DECLINED, ends_own_grants=True),
        *_rows(Act.SET_ENDPOINT, _DEVELOPER, _UNRELEASED),
        *_rows(Act.PROPOSE_GRANT, _DEVELOPER, joined),
        *_rows(Act.PROPOSE_GRANT, _AGENCY, joined, part=_ACCEPTED),
        *_rows(Act.REGISTER_RUN, (Role.EVALUATOR,), joined, part=_ACCEPTED),
        *_rows(Act.START_RUN, (Role.EVALUATOR,), _ACCESS_STAGES, part=_ACCEPTED, access=frozenset({_A.OPEN})),
        # What already happened may be told at any time: a run that the end of the
        # window cut short must still be able to say that it is incomplete.
        *_rows(Act.RECORD_RUN, (Role.EVALUATOR,), (*recorded, _S.WITHDRAWN)),
        *_rows(Act.DETERMINE, (Role.AUTHORITY,), recorded, part=_ACCEPTED, sets_determined=True),
        *_rows(
            Act.ISSUE_REPORT,
            (Role.AUTHORITY, Role.RELEASE_MANAGER),
            (*recorded, _S.WITHDRAWN),
            determined=True,
        ),
        *_leave(Act.WITHDRAW, _UNRELEASED, _S.WITHDRAWN),
    ]


TRANSITIONS: tuple[Transition, ...] = (*_review_rows(), *_access_rows(), *_release_rows())
"""Every possible step of a review. For any state, act and role at most one row fits."""

RELEASE_ACTS: frozenset[Act] = frozenset({Act.RELEASE_PARTNERS, Act.RELEASE_PUBLIC})

_VERBS: Mapping[str, str] = MappingProxyType(
    {
        Act.OFFER: "offer the model for review",
        Act.AGREE: "agree to take part",
        Act.DECLINE: "decline to take part",
        Act.SET_ENDPOINT: "set the model's endpoint",
        Act.PROPOSE_GRANT: "propose a grant",
        Act.OPEN_ACCESS: "open access",
        Act.PAUSE_ACCESS: "pause access",
        Act.RESUME_ACCESS: "resume access",
        Act.SHORTEN_ACCESS: "shorten access",
        Act.EXTEND_ACCESS: "extend access",
        Act.END_ACCESS: "end access",
        Act.EXPIRE_ACCESS: "end access because its time is over",
        Act.REGISTER_RUN: "register a run",
        Act.START_RUN: "start a run",
        Act.RECORD_RUN: "record what a run did",
        Act.DETERMINE: "record a determination",
        Act.ISSUE_REPORT: "issue the report",
        Act.RELEASE_PARTNERS: "release to other trusted partners",
        Act.RELEASE_PUBLIC: "release to the public",
        Act.WITHDRAW: "withdraw from the review",
    }
)


def verb(act: Act) -> str:
    """Return the words for an act, for a button or a sentence."""
    return _VERBS.get(act, str(act))


def may(stage: Stage, act: Act, role: Actor) -> bool:
    """Say whether the role may ever do the act in this stage (conditions apart)."""
    return any(row.stage == stage and row.act == act and row.role == role for row in TRANSITIONS)


def can(state: ReviewState, act: Act, role: Actor, table: Collection[Transition] = TRANSITIONS) -> bool:
    """Say whether the role can do the act in exactly this state."""
    return any(row.act == act and row.role == role and row.fits(state) for row in table)


def acts(
    state: ReviewState, roles: Collection[Actor], table: Collection[Transition] = TRANSITIONS
) -> tuple[Act, ...]:
    """Return what somebody with these roles can do now, in the order of :class:`Act`."""
    found = {row.act for row in table if row.role in roles and row.fits(state)}
    return tuple(act for act in Act if act in found)


def role_for(state: ReviewState, act: Act, roles: Collection[Actor]) -> Actor | None:
    """Return the role among ``roles`` under which the act is possible now, or ``None``."""
    for row in TRANSITIONS:
        if row.act == act and row.role in roles and row.fits(state):
            return row.role
    return None


def apply(
    state: ReviewState, act: Act, role: Actor, table: Collection[Transition] = TRANSITIONS
) -> ReviewState:
    """Return the state after the act, or raise :class:`Refused` that says what would be right.

    Codes: ``act.not_yours`` (another role's act), ``act.wrong_stage``,
    ``act.wrong_state`` (access, the agency's part or the determination).
    """
    for row in table:
        if row.act == act and row.role == role and row.fits(state):
            return row.after(state)
    raise _refusal(state, act, role, table)


def _refusal(state: ReviewState, act: Act, role: Actor, table: Collection[Transition]) -> Refused:
    rows = [row for row in table if row.act == act]
    mine = [row for row in rows if row.role == role]
    if not mine:
        owners = sorted({title(row.role) for row in rows}) or ["nobody"]
        return Refused(
            f"{title(role)} cannot {verb(act)}; that is for {' or '.join(owners)}", code="act.not_yours"
        )
    here = [row for row in mine if row.stage == state.stage]
    if not here:
        stages = [stage for stage in Stage if any(row.stage == stage for row in mine)]
        return Refused(
            f"cannot {verb(act)} while the review is {state.stage}; possible while it is {_list(stages)}",
            code="act.wrong_stage",
        )
    wants: list[str] = []
    _want(wants, "access", state.access, [row.access for row in here], Access)
    _want(wants, "the agency's part", state.part, [row.part for row in here], Part)
    if not state.determined and all(row.determined for row in here):
        wants.append("a determination must be recorded first")
    return Refused(f"cannot {verb(act)} now: {'; '.join(wants)}", code="act.wrong_state")


def _want(
    wants: list[str],
    name: str,
    value: str,
    allowed: list[frozenset[Access] | None] | list[frozenset[Part] | None],
    order: type[StrEnum],
) -> None:
    """Add ``name is value, must be …`` when no row of the stage allows the value."""
    if any(values is None or value in values for values in allowed):
        return
    right = {item for values in allowed for item in values or ()}
    wants.append(f"{name} is {value}, it must be {_list([item for item in order if item in right])}")


def _list(items: Iterable[str]) -> str:
    words = [str(item) for item in items]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]
