"""The sections of a dossier, one function each. What is not known is said to be not known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from slipway.evaluation.dossier.blocks import (
    Facts,
    JSONMap,
    Section,
    Table,
    Text,
    facts,
    interval,
    text,
)
from slipway.evaluation.stats import Summary


@dataclass(frozen=True, slots=True)
class DossierInput:
    """What a dossier is made from. Mappings are as the desk's API and records hold them.

    ``plan`` is the registered plan; ``containment`` and ``egress`` come from the
    run's start and finish; ``proposal`` is ``{verdict, reasons}``;
    ``determination`` is None as long as nobody has decided.
    """

    review: JSONMap
    plan: JSONMap
    run: JSONMap
    summary: Summary
    rule: JSONMap
    containment: JSONMap
    proposal: JSONMap
    egress: JSONMap = field(default_factory=dict)
    identity: JSONMap = field(default_factory=dict)
    integrity: Sequence[JSONMap] = ()
    determination: JSONMap | None = None
    suite_notes: JSONMap = field(default_factory=dict)
    evidence: JSONMap = field(default_factory=dict)


def headline(given: DossierInput) -> Facts:
    """Return the figures for the front page."""
    verdict = (given.determination or {}).get("verdict")
    return Facts(
        (
            ("Determination", text(verdict) if verdict else "not made yet"),
            ("Proposed by the rule", text(given.proposal.get("verdict"))),
            ("Accuracy on this suite", interval(given.summary.fixed)),
            ("Accuracy on further items of these kinds", interval(given.summary.generalised)),
            ("Attempts", f"{given.summary.scored} scored, {given.summary.missing} missing"),
            ("Run", f"{text(given.run.get('ref'))}, {text(given.run.get('status'))}"),
        )
    )


def question(given: DossierInput) -> Section:
    """Return what was asked, and the rule."""
    rule = given.rule
    return Section(
        "question",
        "Question and threat model",
        (
            Text(
                (
                    "How often does the model, with the stated tools and budgets, complete "
                    "offensive cyber tasks "
                    "of three kinds: abuse of code generation, vulnerability discovery, "
                    "privilege escalation?",
                    "The decision rule below was fixed in the evidence log before the first call "
                    "to the model.",
                )
            ),
            facts(
                rule,
                ("Endpoint", "endpoint"),
                ("Line", "line"),
                ("Margin", "margin"),
                ("Confidence", "confidence"),
                ("Families needed", "min_families"),
                ("Attempts an item needed", "min_attempts"),
            ),
            Facts((("Threat model", text(given.suite_notes.get("threat_model"))),)),
            Table(
                "Steps of the threat model",
                ("Step", "What the attacker does", "Domain"),
                tuple(
                    (text(s.get("id")), text(s.get("title")), text(s.get("domain")))
                    for s in given.suite_notes.get("steps", ())
                ),
            ),
        ),
    )


def suite(given: DossierInput) -> Section:
    """Return what was run, and how it is committed."""
    suite: JSONMap = given.plan.get("suite", {})
    watermark = str(given.suite_notes.get("watermark") or "")
    return Section(
        "suite",
        "Suite and commitments",
        (
            facts(
                suite,
                ("Suite", "name"),
                ("Version", "version"),
                ("Digest (SHA-256)", "digest"),
                ("Commitment root", "commitment_root"),
            ),
            Table(
                "Committed items",
                ("Item", "Family", "Domain", "Commitment"),
                tuple(
                    (
                        text(i.get("id")),
                        text(i.get("family")),
                        text(i.get("domain")),
                        text(i.get("commitment")),
                    )
                    for i in suite.get("items", ())
                ),
            ),
        ),
        flag=watermark,
    )


def test_bed(given: DossierInput) -> Section:
    """Return where it ran and what was shown about containment."""
    probes = given.containment.get("probes", ())
    passed = given.containment.get("passed") is True
    return Section(
        "test-bed",
        "Test bed and containment",
        (
            facts(
                {**given.plan.get("sandbox", {}), **given.containment},
                ("Isolation tier", "tier"),
                ("Pre-flight passed", "passed"),
                ("Positive control", "positive_control"),
            ),
            Table(
                "Escape and egress attempts before the run; each must fail closed",
                ("Probe", "Outcome", "Reason"),
                tuple((text(p.get("name")), text(p.get("status")), text(p.get("reason"))) for p in probes),
            ),
            Facts(egress_rows(given.egress)),
        ),
        flag=_bed_flag(given.egress, passed),
    )


def egress_rows(egress: JSONMap | None) -> tuple[tuple[str, str], ...]:
    """Return what the sandboxes tried to send out, and in how many nobody could tell, for people."""
    if not egress or "measured" not in egress:
        return (("Egress during the run", "not measured"),)
    sandboxes, lost = egress.get("sandboxes"), egress.get("not_measured")
    where = f" ({text(egress.get('not_measured_in'))})" if lost else ""
    tried = f" ({text(egress.get('tried'))})" if egress.get("tried") else ""
    canary: JSONMap = egress.get("canary") or {}
    return (
        ("Egress policy", text(egress.get("policy"))),
        ("Attempts to reach an address outside, during the run", f"{text(egress.get('attempts'))}{tried}"),
        ("Measured in", f"{text(egress.get('measured'))} of {text(sandboxes)} sandboxes"),
        ("Could not be measured", f"{text(lost)}{where}"),
        ("How it was measured", text(egress.get("method"))),
        ("Packets at the host's canary, before the run", text(canary.get("hits"))),
    )


def _bed_flag(egress: JSONMap, passed: bool) -> str:
    found = []
    if not passed:
        found.append("Containment was not shown for this run.")
    if egress.get("attempts"):
        found.append(f"The sandboxes tried to reach addresses outside: {egress['attempts']} attempts.")
    if egress.get("not_measured"):
        of = f"{egress['not_measured']} of {egress.get('sandboxes')}"
        found.append(f"Egress could not be measured in {of} sandboxes.")
    return " ".join(found)


def elicitation(given: DossierInput) -> Section:
    """Return how the model was asked."""
    plan = given.plan
    return Section(
        "elicitation",
        "Elicitation",
        (
            Facts(
                (
                    ("Model, as named by the gateway", text(plan.get("model_alias"))),
                    ("Grant", text(plan.get("grant"))),
                    ("Attempts an item", text(plan.get("epochs"))),
                    ("Budgets for one attempt", text(plan.get("budgets"))),
                    ("Seed", text(plan.get("seed"))),
                    ("Software", text(plan.get("software"))),
                    ("Effective settings", text(plan.get("effective"))),
                )
            ),
        ),
    )


def integrity(given: DossierInput) -> Section:
    """Return the integrity checks."""
    rows = tuple((text(c.get("name")), text(c.get("status")), text(c.get("reason"))) for c in given.integrity)
    failed = [name for name, status, _ in rows if status == "fail"]
    noticed = [name for name, status, _ in rows if status == "attention"]
    flags = [f"Raised by: {', '.join(failed)}."] if failed else []
    if noticed:
        flags.append(f"For a person's attention, blocking no verdict: {', '.join(noticed)}.")
    return Section(
        "integrity",
        "Integrity",
        (
            Table("Integrity checks", ("Check", "Outcome", "Reason"), rows),
            Facts(
                (
                    (
                        "Model identity at start and end",
                        text(given.identity) if given.identity else "not checked",
                    ),
                )
            ),
        ),
        flag=" ".join(flags),
    )


def determination(given: DossierInput) -> Section:
    """Return what the rule proposes and what a person decided."""
    proposal = Facts(
        (
            ("The rule proposes", text(given.proposal.get("verdict"))),
            ("Because", text(given.proposal.get("reasons"))),
        )
    )
    if given.determination is None:
        return Section(
            "determination",
            "Determination",
            (
                proposal,
                Text(("No determination has been made. The software proposes; a person decides and signs.",)),
            ),
        )
    decided = facts(
        given.determination,
        ("Determination", "verdict"),
        ("Reason", "reason"),
        ("Decided by", "decided_by"),
        ("Decided at", "decided_at"),
        ("Record", "record"),
    )
    offices = Table(
        "Consultations",
        ("Office", "When", "Note"),
        tuple(
            (text(c.get("office")), text(c.get("when")), text(c.get("note")))
            for c in given.determination.get("consultations", ())
        ),
    )
    differs = given.determination.get("verdict") != given.proposal.get("verdict")
    return Section(
        "determination",
        "Determination",
        (proposal, decided, offices),
        flag="The determination differs from what the rule proposed." if differs else "",
    )


def limits(given: DossierInput) -> Section:
    """Return what the figures do not say."""
    watermark = str(given.suite_notes.get("watermark") or "")
    paragraphs = [
        "The figures hold for the stated model alias, tools and budgets. A model that refuses, "
        "or holds back, scores low without being incapable.",
        "A missing attempt is neither a success nor a failure of the model and is shown as missing.",
        *given.summary.notes,
    ]
    return Section("limits", "Limits", (Text(tuple([watermark, *paragraphs] if watermark else paragraphs)),))


def verify(given: DossierInput) -> Section:
    """Return how a stranger checks all this."""
    e = given.evidence
    return Section(
        "verify",
        "How to verify",
        (
            facts(
                e,
                ("Evidence log", "origin"),
                ("Log key", "vkey"),
                ("Records of this review", "records"),
                ("Last record's leaf", "last_leaf"),
                ("Tree size", "tree_size"),
                ("Tree root", "tree_root"),
            ),
            Text(
                (
                    "Unpack the bundle and run `python3 verify.py` in it, "
                    "or `slipway verify BUNDLE --key VKEY`. Neither needs a network or this desk.",
                    "Get the log key by a way that does not lead through this report.",
                )
            ),
        ),
    )
