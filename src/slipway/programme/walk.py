"""No veto, shown by walking: every reachable state of a review, over every role's acts.

:func:`find_vetoes` is given the tables as data and explores the product of a
review and up to two grants (the agency's and a partner's) breadth first. It
returns every way in which the tables would take something out of the
developer's hands; an empty answer is the proof. The tests run it over the
shipped tables and over tables with planted faults; the documentation prints
what it counted (``python -m slipway.programme.walk``).

What it shows is a property of the *tables*. That the desk moves a review only
through :func:`slipway.programme.stages.apply` is the desk's to test.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass, replace

from slipway.programme.grants import (
    GRANT_TRANSITIONS,
    Grant,
    GrantState,
    GrantTransition,
    effective,
    propose_grant,
)
from slipway.programme.roles import DEVELOPER_ROLES, Actor, Automatic, Role
from slipway.programme.stages import (
    TRANSITIONS,
    Access,
    Act,
    ReleasePoint,
    ReviewState,
    Stage,
    Transition,
)


class Tables:
    """The rules to be walked, as data (with an index, so that a walk looks only at rows that may fit)."""

    def __init__(
        self,
        review: Iterable[Transition] = TRANSITIONS,
        grants: Iterable[GrantTransition] = GRANT_TRANSITIONS,
    ) -> None:
        self.by_stage: defaultdict[str, list[Transition]] = defaultdict(list)
        self.by_state: defaultdict[str, list[GrantTransition]] = defaultdict(list)
        for row in review:
            self.by_stage[row.stage].append(row)
        for entry in grants:
            self.by_state[entry.state].append(entry)


@dataclass(frozen=True, slots=True)
class World:
    """Everything that the walk tells apart: a review and the grants under it (``None``: not proposed)."""

    review: ReviewState
    grants: tuple[Grant | None, ...] = (None, None)


@dataclass(frozen=True, slots=True)
class Move:
    """One act by somebody and the world after it. ``grant`` is its place, ``None``: on the review."""

    actor: Actor
    act: str
    to: World
    grant: int | None = None


@dataclass(frozen=True, slots=True)
class Veto:
    """One finding: what is wrong, in which world, and the shortest way there."""

    problem: str
    world: World
    path: tuple[str, ...]

    def __str__(self) -> str:
        way = " → ".join(self.path) or "the beginning"
        return f"{self.problem} (stage {self.world.review.stage}, after: {way})"


@dataclass(frozen=True, slots=True)
class Walk:
    """What the walk saw: the worlds, how each was reached first, and how many moves there are."""

    worlds: dict[World, tuple[World, str] | None]
    moves: int

    def path(self, world: World) -> tuple[str, ...]:
        """Return the acts of the shortest way to a world."""
        steps: list[str] = []
        came = self.worlds[world]
        while came is not None:
            world, step = came
            steps.append(step)
            came = self.worlds[world]
        return tuple(reversed(steps))


BEGINNINGS: tuple[World, ...] = tuple(World(ReviewState(counts_back_from=point)) for point in ReleasePoint)
"""A draft under each kind of pack."""

# Who proposes in the place of the agency's grant and in that of the partner's.
_PROPOSERS: tuple[tuple[Role, ...], ...] = (
    (Role.RELEASE_MANAGER, Role.LAB_SECURITY, Role.EVALUATOR, Role.AUTHORITY),
    (Role.RELEASE_MANAGER, Role.LAB_SECURITY),
)
_GRANTEES: tuple[frozenset[Role], ...] = (
    frozenset({Role.EVALUATOR, Role.AUTHORITY}),
    frozenset({Role.PARTNER_USER}),
)


def moves(tables: Tables, world: World) -> Iterator[Move]:
    """Yield every act that anybody can do in this world."""
    proposals = []
    for row in tables.by_stage[world.review.stage]:
        if row.fits(world.review):
            after = replace(world, review=row.after(world.review))
            if row.ends_own_grants:
                after = _without_grants_of(after, row.role)
            yield Move(row.role, row.act, after)
            if row.act == Act.PROPOSE_GRANT:
                proposals.append(row.role)
    for place, grant in enumerate(world.grants):
        if grant is None:
            for role in proposals:
                if role in _PROPOSERS[place]:
                    yield Move(role, "propose", _put(world, place, propose_grant(role)), place)
            continue
        for entry in tables.by_state[grant.state]:
            mine = entry.role in DEVELOPER_ROLES or entry.role in Automatic or entry.role in _GRANTEES[place]
            if mine and entry.fits(grant):
                yield Move(entry.role, entry.act, _put(world, place, entry.after(grant)), place)


def walk(tables: Tables, beginnings: Iterable[World] = BEGINNINGS, *, most: int = 200_000) -> Walk:
    """Visit every world that can be reached. Raises ``RuntimeError`` beyond ``most`` worlds."""
    seen: dict[World, tuple[World, str] | None] = dict.fromkeys(beginnings)
    queue = deque(seen)
    count = 0
    while queue:
        world = queue.popleft()
        for move in moves(tables, world):
            count += 1
            if move.to not in seen:
                seen[move.to] = (world, f"{move.actor} {move.act}")
                queue.append(move.to)
        if len(seen) > most:
            raise RuntimeError(f"more than {most} worlds; the tables have grown beyond an exhaustive walk")
    return Walk(seen, count)


@dataclass(frozen=True, slots=True)
class View:
    """What a check looks at: one world, its moves, and all worlds from which a release is one act away."""

    world: World
    outgoing: tuple[Move, ...]
    releasable: Set[World]


def find_vetoes(tables: Tables, beginnings: Iterable[World] = BEGINNINGS) -> tuple[Veto, ...]:
    """Return every way in which anybody but the developer could hold, force or undo a release.

    One finding a problem, with the shortest way to it; none is the proof.
    """
    seen = walk(tables, beginnings)
    releasable = {world for world in seen.worlds if can_release(moves(tables, world))}
    found: dict[str, Veto] = {}
    for world in seen.worlds:  # nearest first, so the first of a kind has the shortest way
        view = View(world, tuple(moves(tables, world)), releasable)
        for check in CHECKS:
            for problem in check(view):
                if problem not in found:
                    found[problem] = Veto(problem, world, seen.path(world))
    return tuple(found.values())


def can_release(outgoing: Iterable[Move]) -> bool:
    """Say whether one of these moves is the developer's release to the public."""
    return any(
        move.act == Act.RELEASE_PUBLIC
        and move.actor == Role.RELEASE_MANAGER
        and move.to.review.stage == Stage.RELEASED
        for move in outgoing
    )


def _release_in_one_act(view: View) -> Iterator[str]:
    """From every world that is not released, the developer releases in one act."""
    stage = view.world.review.stage
    if stage != Stage.RELEASED and view.world not in view.releasable:
        yield "the developer cannot release to the public in one act"
    if stage in (Stage.DRAFT, Stage.OFFERED, Stage.AGREED, Stage.OPEN) and not any(
        move.actor == Role.RELEASE_MANAGER
        and move.act == Act.RELEASE_PARTNERS
        and move.to.review.stage == Stage.PARTNERS
        for move in view.outgoing
    ):
        yield "the developer cannot release to partners in one act"


def _others_change_nothing(view: View) -> Iterator[str]:
    """No other's act takes the release away, makes it, or undoes it."""
    for move in view.outgoing:
        if move.actor in DEVELOPER_ROLES:
            continue
        before, after = view.world.review, move.to.review
        if (before.stage == Stage.RELEASED) != (after.stage == Stage.RELEASED):
            yield f"{move.actor} {move.act} changes whether the model is released"
        if after.stage != before.stage and (before.stage, after.stage) != (Stage.OFFERED, Stage.AGREED):
            yield f"{move.actor} {move.act} moves the review from {before.stage} to {after.stage}"
        if after.stage != Stage.RELEASED and move.to not in view.releasable:
            yield f"{move.actor} {move.act} takes the release away"


def _access_is_the_developers(view: View) -> Iterator[str]:
    """Nobody else touches access; the clock may only reduce it; a grant begins with both agreements."""
    world = view.world
    now = _reach(world)
    for move in view.outgoing:
        if move.actor in DEVELOPER_ROLES:
            continue
        clock = move.actor in Automatic
        for place, (old, new) in enumerate(zip(now, _reach(move.to), strict=True)):
            if new > old and not (place == move.grant and _agreed_by_both(world, move.to, place)):
                yield f"{move.actor} {move.act} widens access"
            # Nobody cuts another's access. What is one's own one may give up, by leaving.
            if new < old and not clock and not (move.grant is None and move.actor in _GRANTEES[place]):
                yield f"{move.actor} {move.act} cuts access"
        before, after = world.review.access, move.to.review.access
        if not clock and before != after:
            yield f"{move.actor} {move.act} changes the review's access"
        if clock and _RANK[after] > _RANK[before]:
            yield f"{move.actor} {move.act} opens access"
    for grant in world.grants:
        if grant is None or grant.state not in _LIVE:
            continue
        if not (grant.agreed_by_developer and grant.agreed_by_reviewer):
            yield "a grant is active without both agreements"


def _developer_can_stop(view: View) -> Iterator[str]:
    """Where access exists the developer can pause, shorten, end and withdraw; grants likewise."""
    mine = {(move.act, move.grant) for move in view.outgoing if move.actor in DEVELOPER_ROLES}
    access = view.world.review.access
    wanted: list[tuple[str, int | None]] = []
    if access in (Access.OPEN, Access.PAUSED):
        wanted = [(Act.SHORTEN_ACCESS, None), (Act.END_ACCESS, None), (Act.WITHDRAW, None)]
        wanted.append((Act.PAUSE_ACCESS if access == Access.OPEN else Act.RESUME_ACCESS, None))
    for place, grant in enumerate(view.world.grants):
        if grant is not None and grant.state in _LIVE:
            wanted += [("shorten", place), ("end", place), ("revoke", place)]
            wanted.append(("pause" if grant.state == GrantState.ACTIVE else "resume", place))
    for act, where in wanted:
        if (act, where) not in mine:
            yield f"the developer cannot {act}{'' if where is None else ' a grant'} while access exists"


def _no_access_elsewhere(view: View) -> Iterator[str]:
    """Released, withdrawn or not yet opened means no access, whatever the grants say."""
    review = view.world.review
    if review.stage not in (Stage.OPEN, Stage.PARTNERS) and _RANK[review.access]:
        yield f"access is {review.access} while the review is {review.stage}"


CHECKS: tuple[Callable[[View], Iterator[str]], ...] = (
    _release_in_one_act,
    _others_change_nothing,
    _access_is_the_developers,
    _developer_can_stop,
    _no_access_elsewhere,
)
"""Each yields what is wrong in one world."""

_LIVE = (GrantState.ACTIVE, GrantState.PAUSED)
_RANK = {Access.NONE: 0, Access.ENDED: 0, Access.PAUSED: 1, Access.OPEN: 2}


def _put(world: World, place: int, grant: Grant) -> World:
    grants = list(world.grants)
    grants[place] = grant
    return replace(world, grants=tuple(grants))


def _without_grants_of(world: World, actor: Actor) -> World:
    for place, grant in enumerate(world.grants):
        if grant is not None and actor in _GRANTEES[place] and grant.state in (GrantState.DRAFT, *_LIVE):
            world = _put(world, place, replace(grant, state=GrantState.ENDED))
    return world


def _reach(world: World) -> tuple[bool, ...]:
    """Return for each grant whether its holder can reach the model now."""
    return tuple(
        grant is not None and effective(grant.state, world.review.access) == GrantState.ACTIVE
        for grant in world.grants
    )


def _agreed_by_both(before: World, after: World, place: int) -> bool:
    old, new = before.grants[place], after.grants[place]
    return (
        old is not None
        and new is not None
        and old.state == GrantState.DRAFT
        and old.agreed_by_developer
        and new.agreed_by_developer
        and new.agreed_by_reviewer
    )


def report(tables: Tables | None = None) -> str:
    """Return what the walk counted, as the Markdown that the documentation holds."""
    tables = tables or Tables()
    seen = walk(tables)
    lines = ["| Stage | Reachable states | The developer releases to the public by |", "|---|---:|---|"]
    for stage in Stage:
        worlds = [world for world in seen.worlds if world.review.stage == stage]
        one = all(can_release(moves(tables, world)) for world in worlds)
        how = "already released" if stage == Stage.RELEASED else "one act" if one else "NOT IN ONE ACT"
        lines.append(f"| {stage} | {len(worlds):,} | {how} |")
    vetoes = len(find_vetoes(tables))
    lines += ["", f"{len(seen.worlds):,} states, {seen.moves:,} moves, {vetoes} findings."]
    return "\n".join(lines)


if __name__ == "__main__":
    print(report())
