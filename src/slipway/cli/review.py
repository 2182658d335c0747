"""``slipway review``: every act on a review, as a client of a desk's REST API."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import click

from slipway.base.errors import InvalidInput, Problem, ProblemList
from slipway.cli.client import Session, on_desk
from slipway.cli.grant import grant, key
from slipway.cli.output import pairs, table

VERDICTS = ("covered", "not covered", "insufficient evidence")
reference = click.argument("review", metavar="REVIEW")


@click.group("review")
def command() -> None:
    """Act on a review at a desk: offer, agree, open, grant, determine, report, release …

    The desk is named by --desk (SLIPWAY_DESK), the token to act with is read from the
    variable named by --token-env (SLIPWAY_TOKEN).
    """


command.add_command(grant)
command.add_command(key)


def overview(review: dict[str, Any]) -> list[str]:
    """Return the lines that describe one review."""
    lines = pairs(review, ("ref", "codename", "model_name", "stage", "access", "clock", "planned_release"))
    pack = review.get("pack") or {}
    lines.append(f"pack: {pack.get('name')} {pack.get('version')}, {pack.get('title')}")
    for party in review.get("parties") or ():
        state = "declined" if party.get("declined_at") else "agreed" if party.get("accepted_at") else "asked"
        lines.append(f"{party.get('part')}: {party.get('name')} ({party.get('slug')}), {state}")
    acts = review.get("acts") or ()
    return [*lines, "you may now: " + (", ".join(map(str, acts)) or "only read")]


@command.command("new")
@click.option("--codename", required=True, help="What the review calls the model before its name is public.")
@click.option("--model-name", required=True, help="The model's own name, seen by the parties only.")
@click.option("--summary", default="", help="One paragraph on what is offered.")
@click.option("--pack", default="eo-14409", show_default=True, help="Policy pack; see: slipway pack list.")
@click.option("--planned-release", help="Planned date of release, like 2026-08-01.")
@on_desk(writes=True)
def new(
    session: Session, codename: str, model_name: str, summary: str, pack: str, planned_release: str | None
) -> None:
    """Draft a review of a model of yours (developer)."""
    body = {"codename": codename, "model_name": model_name, "summary": summary, "pack": pack}
    if planned_release:
        body["planned_release"] = planned_release
    session.act("POST", "/reviews", body, lambda a: f"drafted {a.get('ref')} under pack {pack}")


@command.command("list")
@on_desk()
def list_reviews(session: Session) -> None:
    """List the reviews that you may see."""
    rows: list[dict[str, Any]] = []
    after: int | None = None
    while True:
        page = session.desk.get("/reviews?limit=200" + (f"&after={after}" if after is not None else ""))
        rows += page["items"]
        after = page["next"]
        if after is None:
            break
    names = ("ref", "codename", "developer", "agency", "stage", "access", "closes")
    session.show(
        {"items": rows}, table([[row.get(n) for n in names] for row in rows], names) or ["no reviews"]
    )


@command.command("show")
@reference
@on_desk()
def show(session: Session, review: str) -> None:
    """Show one review: stage, clock, parties, what you may do now."""
    answer = session.desk.get(f"/reviews/{review}")
    session.show(answer, overview(answer))


@command.command("timeline")
@reference
@on_desk()
def timeline(session: Session, review: str) -> None:
    """List every record of a review with its place in the log."""
    answer = session.desk.get(f"/reviews/{review}/timeline")
    rows = [
        [row.get(name) for name in ("n", "at", "type", "party", "index", "record")] for row in answer["items"]
    ]
    session.show(answer, table(rows, ("n", "at", "type", "party", "index", "record")))


@command.command("offer")
@reference
@click.option("--agency", required=True, help="Short name of the agency's organisation.")
@on_desk(writes=True)
def offer(session: Session, review: str, agency: str) -> None:
    """Offer the review to an agency (developer)."""
    session.act(
        "POST", f"/reviews/{review}/offer", {"agency": agency}, lambda a: f"offered {review} to {agency}"
    )


@command.command("terms")
@reference
@on_desk()
def terms(session: Session, review: str) -> None:
    """Print the terms of a review and the digest that agreeing names."""
    answer = session.desk.get(f"/reviews/{review}/terms")
    lines = [f"digest: {answer.get('digest')}"]
    for clause in answer.get("clauses") or ():
        lines.append(f"[{clause.get('head')}] {clause.get('title')}: {clause.get('text')}")
    session.show(answer, lines)


@command.command("agree")
@reference
@click.option("--terms-digest", required=True, help="Digest printed by: slipway review terms REVIEW.")
@on_desk(writes=True)
def agree(session: Session, review: str, terms_digest: str) -> None:
    """Agree to the review under exactly these terms (agency)."""
    body = {"terms_digest": terms_digest}
    session.act("POST", f"/reviews/{review}/agree", body, lambda a: f"agreed to {review}")


@command.command("decline")
@reference
@click.option("--reason", required=True, help="Why, for the record.")
@on_desk(writes=True)
def decline(session: Session, review: str, reason: str) -> None:
    """Decline your own part in the review (agency); the developer is not held by it."""
    session.act("POST", f"/reviews/{review}/decline", {"reason": reason}, lambda a: f"declined {review}")


@command.command("endpoint")
@reference
@click.option("--alias", required=True, help="Name by which reviewers ask for the model.")
@click.option("--base-url", required=True, help="OpenAI-compatible address, like https://models.example/v1.")
@click.option("--model", "model", required=True, help="The model's name at that address.")
@click.option("--api-key-env", required=True, help="Variable that holds the key of that address.")
@click.option("--timeout-seconds", type=click.IntRange(1, 3600), help="Longest wait for the model's answer.")
@on_desk(writes=True)
def endpoint(
    session: Session,
    review: str,
    alias: str,
    base_url: str,
    model: str,
    api_key_env: str,
    timeout_seconds: int | None,
) -> None:
    """Seal the model's address and key here and hand over only the sealed text (developer).

    Only the gateway can open it; the desk, its database and its operator cannot.
    """
    from slipway.gateway import upstream_secret

    secret = os.environ.get(api_key_env, "")
    plain: dict[str, Any] = {"base_url": base_url, "api_key": secret, "model": model}
    if timeout_seconds:
        plain["timeout_seconds"] = timeout_seconds
    bad = ProblemList("upstream endpoint")
    if not upstream_secret.is_alias(alias):
        bad.add("--alias", f"{alias[:63]!r} is not an alias", upstream_secret.ALIAS_FIX)
    if not secret:
        fix = f"export {api_key_env}=… with the key of {base_url}"
        bad.add("--api-key-env", f"the variable {api_key_env} is empty", fix)
    try:
        upstream_secret.check(plain)
    except InvalidInput as error:
        bad.extend(error.problems)
    bad.raise_if_any()
    public = session.desk.get("/gateway/seal-key")
    sealed = upstream_secret.seal(public["pem"].encode(), plain)
    body = {"model_alias": alias, "sealed": sealed, "seal_key_id": public["id"]}
    session.act(
        "PUT", f"/reviews/{review}/endpoint", body, lambda a: f"sealed endpoint {alias} given to the gateway"
    )


@command.command("window")
@reference
@click.argument("act", type=click.Choice(["open", "pause", "resume", "shorten", "extend", "end"]))
@click.option(
    "--days", type=click.IntRange(1, 3660), help="Length from now (open) or to add, within the pack."
)
@click.option("--closes", help="Instant at which it closes, like 2026-07-20T14:00:00Z.")
@on_desk(writes=True)
def window(session: Session, review: str, act: str, days: int | None, closes: str | None) -> None:
    """Open, pause, resume, shorten, extend or end access (developer alone)."""
    body: dict[str, Any] = {"act": act}
    if days is not None:
        body["days"] = days
    if closes:
        body["closes"] = closes
    session.act("POST", f"/reviews/{review}/window", body, lambda a: f"window of {review}: {act}")


@command.command("runs")
@reference
@on_desk()
def runs(session: Session, review: str) -> None:
    """List the runs of a review."""
    answer = session.desk.get(f"/reviews/{review}/runs")
    found = answer.get("items") or answer.get("runs") or []
    rows = [[row.get(n) for n in ("ref", "state", "suite")] for row in found]
    session.show(answer, table(rows, ("run", "state", "suite")) or ["no runs"])


@command.command("determine")
@reference
@click.option("--run", "run_ref", required=True, help="The run that it rests on, like RUN-3.")
@click.option("--verdict", required=True, type=click.Choice(VERDICTS), help="What the evidence carries.")
@click.option("--reason-code", required=True, help="Reason code of the policy pack.")
@click.option("--reason", required=True, help="Why, in words: it is printed in the report.")
@click.option(
    "--consultation", multiple=True, metavar="OFFICE|WHEN|NOTE", help="A consultation held; repeatable."
)
@click.option("--dissent", help="What somebody consulted sees differently.")
@click.option("--expires-at", help="Instant at which it lapses, like 2027-01-31T00:00:00Z.")
@on_desk(writes=True)
def determine(
    session: Session,
    review: str,
    run_ref: str,
    verdict: str,
    reason_code: str,
    reason: str,
    consultation: tuple[str, ...],
    dissent: str | None,
    expires_at: str | None,
) -> None:
    """Record the determination of a person with authority; it is never made by software."""
    held = []
    for text in consultation:
        parts = [part.strip() for part in text.split("|")]
        if len(parts) != 3 or not all(parts):
            fix = "write it like: 'Office of X|2026-06-25T10:00:00Z|what was said'"
            raise InvalidInput([Problem("--consultation", f"{text!r} has not three parts", fix)])
        held.append(dict(zip(("office", "when", "note"), parts, strict=True)))
    body: dict[str, Any] = {
        "run": run_ref,
        "verdict": verdict,
        "reason_code": reason_code,
        "reason": reason,
        "consultations": held,
    }
    body |= {name: v for name, v in (("dissent", dissent), ("expires_at", expires_at)) if v}
    session.act("POST", f"/reviews/{review}/determination", body, lambda a: f"determined {review}: {verdict}")


def _save(session: Session, path: str, target: Path) -> dict[str, Any]:
    content = session.desk.request("GET", path)[1]
    partial = target.with_name(target.name + ".part")
    partial.write_bytes(content)
    partial.replace(target)  # a broken download never leaves half a file under the name asked for
    return {
        "path": str(target.resolve()),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


@command.command("report")
@reference
@click.option("--build", is_flag=True, help="Build the report first (developer or agency).")
@click.option(
    "--bundle", type=click.Path(path_type=Path, dir_okay=False), help="Save the verifiable bundle here."
)
@click.option("--pdf", type=click.Path(path_type=Path, dir_okay=False), help="Save the PDF here.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Save the page here.")
@on_desk(writes=True)
def report(
    session: Session, review: str, build: bool, bundle: Path | None, pdf: Path | None, html: Path | None
) -> None:
    """Show, build or save the signed report of a review."""
    if build:
        if session.dry_run or not (bundle or pdf or html):
            session.act("POST", f"/reviews/{review}/report", {}, lambda a: f"report of {review} is built")
            return
        session.desk.send("POST", f"/reviews/{review}/report")
    answer = session.desk.get(f"/reviews/{review}/report")
    lines = pairs(answer)
    for target, name in ((bundle, "bundle"), (pdf, "report.pdf"), (html, "report.html")):
        if target is not None and not session.dry_run:
            saved = _save(session, f"/reviews/{review}/{name}", target)
            answer.setdefault("saved", []).append(saved)
            lines.append(f"saved {saved['path']} ({saved['bytes']} bytes, sha256 {saved['sha256']})")
    session.show(answer, lines)


@command.command("release")
@reference
@click.option("--to", "kind", required=True, type=click.Choice(["partners", "public"]), help="To whom.")
@click.option("--confirm", required=True, help="The review's number once more: release cannot be undone.")
@on_desk(writes=True)
def release(session: Session, review: str, kind: str, confirm: str) -> None:
    """Release to trusted partners or to the public (developer alone, at any stage)."""
    body = {"kind": kind, "confirm": confirm}
    session.act("POST", f"/reviews/{review}/release", body, lambda a: f"{review} released to {kind}")


@command.command("withdraw")
@reference
@click.option("--reason", required=True, help="Why, for the record.")
@click.option("--confirm", required=True, help="The review's number once more: withdrawal cannot be undone.")
@on_desk(writes=True)
def withdraw(session: Session, review: str, reason: str, confirm: str) -> None:
    """Withdraw the model from review (developer alone): keys die at once."""
    body = {"reason": reason, "confirm": confirm}
    session.act("POST", f"/reviews/{review}/withdraw", body, lambda a: f"{review} withdrawn")
