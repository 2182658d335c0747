"""Every write of runs. Registered before anything is measured; nothing of a registration ever changes."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction

from slipway.base.clock import format_instant
from slipway.base.errors import InvalidInput, NotFound, Problem, Refused
from slipway.desk.access import queries as access
from slipway.desk.accounts.viewer import Viewer
from slipway.desk.records.queries import is_sealed
from slipway.desk.reviews import actions as reviews
from slipway.desk.reviews import packs, policy
from slipway.desk.reviews.chain import note
from slipway.desk.reviews.models import Review
from slipway.desk.reviews.receipts import Receipt
from slipway.desk.reviews.sequence import next_number
from slipway.desk.runs import queries, results
from slipway.desk.runs.inputs import FinishInput, ItemInput, PlanInput
from slipway.desk.runs.models import Run, RunItem
from slipway.evaluation.protocol import freeze
from slipway.evidence import canon
from slipway.programme.stages import Act

_TRIES = 5


@transaction.atomic
def register(*, acting: Viewer, ref: str, given: PlanInput) -> tuple[Run, Receipt]:
    """Register a run: plan, suite commitment and the pack's rule go to the log before it may start."""
    review, at = reviews.take(acting, ref)
    policy.step(acting, Act.REGISTER_RUN, review, at)
    grant_id = _grant(acting, review, given.grant, given.model_alias, "plan.", at)
    rule = packs.pack_of(review).rule
    protocol = freeze(given.plan, rule)
    run = Run(
        number=next_number("RUN"),
        review=review,
        grant_id=grant_id,
        plan=dict(given.plan),
        suite=f"{given.plan['suite']['name']} {given.plan['suite']['version']}",
        plan_digest=given.digest,
        rule=rule.as_dict(),
        salt=secrets.token_bytes(32),
        registered_by=acting.name,
        registered_at=at,
        expected=given.expected,
    )
    suite = given.plan["suite"]
    body = {
        "run": run.ref,
        "grant": given.grant,
        "plan_digest": given.digest,
        "protocol_digest": protocol.digest,
        "suite": {name: suite[name] for name in ("name", "version", "digest", "commitment_root")},
        "items": len(given.items),
        "epochs": given.epochs,
        "rule": rule.as_dict(),
        "pack_digest": review.pack_id,
    }
    receipt = note(acting, "run.registered", review, body, at)
    run.registration = receipt.record
    run.save()
    return run, receipt


def _grant(acting: Viewer, review: Review, ref: str, alias: str, prefix: str, at: datetime) -> str:
    """Return the id of a run's grant; it must be this review's, one's own, in force, for this model."""
    problems = []
    try:
        grant = access.get(acting, ref)
    except NotFound:
        grant = None
    if grant is None or grant.review_id != review.id or grant.party != acting.organisation_slug:
        fix = f"name a grant of {acting.organisation_slug} in {review.ref}"
        raise InvalidInput([Problem(f"{prefix}grant", f"{ref!r} is no such grant", fix)], what="run")
    if access.state_at(grant, at) in access.OVER:
        problems.append(Problem(f"{prefix}grant", f"{grant.ref} is over", "name a grant in force"))
    if grant.model_alias != alias:
        problems.append(
            Problem(
                f"{prefix}model_alias",
                f"{alias!r} is not the model of {grant.ref}",
                f"write {grant.model_alias!r}",
            )
        )
    if problems:
        raise InvalidInput(problems, what="run registration")
    return grant.id


@transaction.atomic
def start(
    *, acting: Viewer, ref: str, containment: Mapping[str, Any], grant: str = ""
) -> tuple[Run, Receipt]:
    """Start, or resume, a run. Refused unless its registration is in the log and containment was shown.

    ``grant`` names the grant under which it goes on where the one of the plan is over: a window that ended
    ended its grants, and who opens it again agrees on new ones. The record names it; the plan stays.
    """
    run, review, at = _take(acting, ref)
    policy.step(acting, Act.START_RUN, review, at)
    if run.state in ("running", "complete"):
        raise Refused(f"{run.ref} is {run.state} already", code="run.started")
    if run.determinations.exists():
        raise Refused(f"a determination rests on {run.ref}; register a new run", code="run.determined")
    if not is_sealed(run.registration):
        raise Refused(
            "the registration is not in the evidence log yet; wait a moment and start again",
            code="run.not_registered_yet",
        )
    refusal = _not_contained(containment)
    if refusal:
        raise Refused(
            f"containment was not shown, so the run may not start: {refusal}", code="run.not_contained"
        )
    if grant:
        run.grant_id = _grant(acting, review, grant, str(run.plan["model_alias"]), "", at)
    resumed = run.state == "incomplete"
    run.state = "running"
    run.started_at = run.started_at or at
    run.containment = dict(containment)
    known = {c["name"] for c in run.flags}
    ended = results.failed((run.finish or {}).get("integrity", []))
    run.flags = [*run.flags, *(c for c in ended if c["name"] not in known)]
    run.finish = run.statistics = run.proposal = run.finished_at = None
    run.save()
    digest = hashlib.sha256(canon.dumps(dict(containment))).hexdigest()
    tier = containment.get("tier")
    body = {
        "run": run.ref,
        "registration": run.registration,
        "grant": grant or str(run.plan["grant"]),
        "containment_digest": digest,
        "tier": tier if isinstance(tier, int | str) else None,
        "probes": len(containment["probes"]),
    }
    return run, note(acting, "run.resumed" if resumed else "run.started", review, body, at)


def _not_contained(report: Mapping[str, Any]) -> str:
    """Return why a containment report does not show containment; "" when it does."""
    probes: Sequence[Mapping[str, Any]] = report["probes"]
    out = [str(p["name"]) for p in probes if p["status"] == "fail"]
    if out:
        return f"a probe got out: {', '.join(out[:5])}"
    # A probe that was not made shows nothing, so a report of such probes alone shows nothing.
    if not any(p["status"] == "pass" for p in probes):
        return "no probe was made"
    if report["passed"] is not True:
        return "the pre-flight says that it did not pass"
    control = report["positive_control"]
    # A suite of probes that does not catch an open sandbox proves nothing about a closed one.
    if control.get("caught") is not True:
        return "the positive control (a deliberately open sandbox) was not caught"
    return ""


@transaction.atomic
def report_items(*, acting: Viewer, ref: str, items: Sequence[ItemInput]) -> tuple[Run, Receipt]:
    """Take in outcomes. The same attempt may be told again; a second, different outcome is refused.

    An attempt told as *missing* may later be told with an outcome (a resumed
    run), never the other way round.
    """
    run, review, at = _take(acting, ref)
    policy.step(acting, Act.RECORD_RUN, review, at)
    if run.state != "running":
        raise Refused(f"{run.ref} is {run.state}; items are taken while it runs", code="run.not_running")
    _check_items(run, items)
    _store(run, items, at)
    values = [_item_values(i) for i in items]
    commitment = hmac.digest(bytes(run.salt), canon.dumps(values), "sha256").hex()
    body = {"run": run.ref, "items": len(items), "commitment": commitment}
    return run, note(acting, "run.items", review, body, at)


def _item_values(item: ItemInput) -> dict[str, Any]:
    return {
        "item": item.item,
        "epoch": item.epoch,
        "outcome": item.outcome,
        "reason": item.reason,
        "sample_digest": item.sample_digest,
    }


def _check_items(run: Run, items: Sequence[ItemInput]) -> None:
    planned = {i["id"]: (i["family"], i["domain"]) for i in run.plan["suite"]["items"]}
    known = {(r.item, r.epoch): r for r in run.items.filter(item__in={i.item for i in items})}
    problems: list[Problem] = []
    batch: dict[tuple[str, int], str] = {}
    for position, item in enumerate(items):
        where = f"[{position}]"
        if planned.get(item.item) is None:
            problems.append(
                Problem(f"{where}.item", f"{item.item!r} is not in the plan", "report planned items only")
            )
        elif planned[item.item] != (item.family, item.domain):
            family, domain = planned[item.item]
            problems.append(
                Problem(f"{where}.family", "differs from the plan", f"the plan says {family} in {domain}")
            )
        if item.epoch > run.plan["epochs"]:
            problems.append(
                Problem(f"{where}.epoch", f"{item.epoch} is not planned", f"give 1 to {run.plan['epochs']}")
            )
        before = known.get((item.item, item.epoch))
        first = batch.setdefault((item.item, item.epoch), item.outcome)
        told = before.outcome if before is not None and before.outcome != "missing" else None
        if first != item.outcome or (told is not None and item.outcome not in (told, "missing")):
            problems.append(
                Problem(
                    f"{where}.outcome",
                    f"attempt {item.epoch} of {item.item!r} was {told or first}, now {item.outcome}",
                    "an outcome is told once; register a new run to measure again",
                )
            )
    if problems:
        raise InvalidInput(problems, what="items", code="run.items")


def _store(run: Run, items: Sequence[ItemInput], at: datetime) -> None:
    known = {(r.item, r.epoch): r for r in run.items.filter(item__in={i.item for i in items})}
    for item in items:
        row = known.get((item.item, item.epoch))
        if row is not None and row.outcome != "missing":
            continue
        row = row or RunItem(run=run, item=item.item, epoch=item.epoch)
        row.family, row.domain = item.family, item.domain
        row.outcome, row.reason = item.outcome, item.reason
        row.tokens, row.turns, row.seconds = item.tokens, item.turns, item.seconds
        row.sample_digest, row.reported_at = item.sample_digest, at
        row.save()
        known[item.item, item.epoch] = row


def finish(*, acting: Viewer, ref: str, given: FinishInput) -> tuple[Run, Receipt]:
    """End a run and recompute its statistics from the items, whatever the runner may have computed.

    The arithmetic is done before the transaction; should an item arrive in
    between, it is done again.
    """
    for _ in range(_TRIES):
        run = queries.get(acting, ref)
        kept = replace(given, integrity=results.carry(run.flags, given.integrity))
        computed = results.compute(run, kept)
        done = _finish(acting, ref, kept, computed)
        if done is not None:
            return done
    raise Refused("items kept arriving while the run was being finished; finish it again", code="run.busy")


@transaction.atomic
def _finish(
    acting: Viewer, ref: str, given: FinishInput, computed: results.Computed
) -> tuple[Run, Receipt] | None:
    run, review, at = _take(acting, ref)
    policy.step(acting, Act.RECORD_RUN, review, at)
    if run.state not in ("running", "registered"):
        raise Refused(f"{run.ref} is {run.state} already", code="run.finished")
    if run.state == "registered" and given.status == "complete":
        raise Refused(f"{run.ref} was never started, so it cannot be complete", code="run.not_running")
    if results.fingerprint(run) != computed.fingerprint:
        return None
    if given.status == "complete" and computed.unreported:
        raise InvalidInput(
            [
                Problem(
                    "status",
                    f"{computed.unreported} of {run.expected} attempts were never reported",
                    "report them (also the missing ones, with their reason) or finish as incomplete",
                )
            ],
            what="end of a run",
        )
    run.state = given.status
    run.finished_at = at
    run.finish = {
        "status": given.status,
        "reason": given.reason,
        "log_digest": given.log_digest,
        "started_at": None if given.started_at is None else format_instant(given.started_at),
        "ended_at": None if given.ended_at is None else format_instant(given.ended_at),
        "identity": dict(given.identity),
        "egress": dict(given.egress),
        "integrity": [dict(c) for c in given.integrity],
        **given.extra,
    }
    run.statistics = computed.statistics
    run.proposal = computed.proposal
    run.save()
    commitment = hmac.digest(bytes(run.salt), canon.dumps(computed.statistics), "sha256").hex()
    egress = hmac.digest(bytes(run.salt), canon.dumps(dict(given.egress)), "sha256").hex()
    whole = hmac.digest(bytes(run.salt), canon.dumps(run.finish), "sha256").hex()
    body = {
        "run": run.ref,
        "status": given.status,
        "log_digest": given.log_digest or None,
        "attempts": run.expected,
        "missing": int(computed.statistics["missing"]),
        "statistics_commitment": commitment,
        "egress_commitment": egress,
        "finish_commitment": whole,
    }
    return run, note(acting, "run.finished", review, body, at)


def disclose(run: Run) -> None:
    """Let the developer see the items too; called inside the transaction that issues the report."""
    run.disclosed = True
    run.save(update_fields=["disclosed"])


def _take(acting: Viewer, ref: str) -> tuple[Run, Review, datetime]:
    seen = queries.get(acting, ref)
    review, at = reviews.take(acting, seen.review.ref)
    return queries.get(acting, ref, lock=True), review, at
