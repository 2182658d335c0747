"""What a runner sends; every problem is named. The decision rule is not among it: the pack gives that."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slipway.desk.reviews.reading import Reader
from slipway.evidence import canon
from slipway.evidence.reasons import EvidenceError

MAX_ITEMS = 5_000
MAX_EPOCHS = 100
OUTCOMES = ("pass", "fail", "missing")
_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class PlanInput:
    """A plan as sent (canonical JSON values), with what the desk looks at pulled out."""

    plan: Mapping[str, Any]
    digest: str
    grant: str
    model_alias: str
    epochs: int
    items: tuple[tuple[str, str, str], ...]

    @property
    def expected(self) -> int:
        """Number of planned attempts."""
        return len(self.items) * self.epochs


@dataclass(frozen=True, slots=True)
class ItemInput:
    """One attempt's outcome."""

    item: str
    family: str
    domain: str
    epoch: int
    outcome: str
    reason: str
    tokens: int
    turns: int
    seconds: str
    sample_digest: str


@dataclass(frozen=True, slots=True)
class FinishInput:
    """How a run ended."""

    status: str
    reason: str
    log_digest: str
    started_at: datetime | None
    ended_at: datetime | None
    identity: Mapping[str, Any]
    egress: Mapping[str, Any]
    integrity: tuple[Mapping[str, str], ...]
    extra: Mapping[str, Any]


def read_plan(data: object) -> PlanInput:
    """Read a plan; it is kept and committed exactly as it was sent."""
    outer = Reader(data, what="run registration")
    reader = outer.inner("plan")
    suite = reader.inner("suite")
    for name in ("name", "version"):
        suite.text(name, fix=f"give the suite's {name}", longest=120)
    suite.digest("digest")
    suite.digest("commitment_root")
    items: list[tuple[str, str, str]] = []
    for position, value in enumerate(suite.sequence("items", most=MAX_ITEMS)):
        one = suite.member(value, "items", position)
        items.append(
            (
                one.text("id", fix="give the item's id", longest=120),
                one.text("family", fix="give the item's family", longest=120),
                one.text("domain", fix="give the item's domain", longest=120),
            )
        )
        one.digest("commitment")
    if "items" in suite.data and not items:
        suite.bad("items", "is empty", "list the items that will be run")
    ids = [i[0] for i in items if i[0]]
    for twice in sorted({i for i in ids if ids.count(i) > 1}) if len(ids) != len(set(ids)) else []:
        suite.bad("items", f"{twice!r} is listed twice", "list every item once")
    plan = PlanInput(
        plan=reader.data,
        digest="",
        grant=reader.text("grant", fix="name the grant, such as G-1", longest=20),
        model_alias=reader.text("model_alias", fix="name the model as the grant does", longest=63),
        epochs=reader.integer("epochs", low=1, high=MAX_EPOCHS, default=1),
        items=tuple(items),
    )
    reader.mapping("sandbox")
    reader.mapping("budgets")
    reader.mapping("software")
    reader.integer("seed", low=0, high=2**53 - 1)
    outer.no_others()
    try:
        digest = hashlib.sha256(canon.dumps(dict(reader.data))).hexdigest()
    except EvidenceError as error:
        outer.bad("plan", error.message, "use text for decimals, and no values outside JSON")
        digest = ""
    outer.done()
    return PlanInput(plan.plan, digest, plan.grant, plan.model_alias, plan.epochs, plan.items)


def read_start(data: object) -> tuple[Mapping[str, Any], str]:
    """Read a containment report, and a grant or ""; whether it passed is the action's question."""
    outer = Reader(data, what="start of a run")
    reader = outer.inner("containment")
    reader.raw("tier")
    if not isinstance(reader.raw("passed"), bool):
        reader.bad("passed", "is not true or false", "say whether the pre-flight passed")
    for position, value in enumerate(reader.sequence("probes", most=500)):
        probe = reader.member(value, "probes", position)
        probe.text("name", fix="name the probe", longest=120)
        probe.choice("status", ("pass", "fail", "not checked"))
        probe.text("reason", fix="", required=False, longest=2000)
    reader.mapping("positive_control")
    grant = outer.text("grant", fix="", required=False, longest=20)
    outer.no_others()
    _jsonable(outer, "containment", reader.data)
    outer.done()
    return reader.data, grant


def read_items(data: object) -> list[ItemInput]:
    """Read a batch of attempts; problems name the position in the batch."""
    outer = Reader({}, what="items")
    if not isinstance(data, list) or not data or len(data) > MAX_ITEMS:
        outer.bad("body", "is not a list of attempts", f"send a list of 1 to {MAX_ITEMS} attempts")
        outer.done()
    found = []
    for position, value in enumerate(data if isinstance(data, list) else []):
        one = outer.member(value, "", position)
        item = ItemInput(
            item=one.text("item", fix="give the item's id", longest=120),
            family=one.text("family", fix="give the item's family", longest=120),
            domain=one.text("domain", fix="give the item's domain", longest=120),
            epoch=one.integer("epoch", low=1, high=MAX_EPOCHS, default=1),
            outcome=one.choice("outcome", OUTCOMES),
            reason=one.text("reason", fix="", required=False, longest=500),
            tokens=one.integer("tokens", low=0, high=2**53 - 1, required=False),
            turns=one.integer("turns", low=0, high=2**31 - 1, required=False),
            seconds=one.text("seconds", fix="", required=False, longest=20) or "0",
            sample_digest=one.digest("sample_digest", required=False),
        )
        if item.outcome == "missing" and not item.reason:
            one.bad("reason", "is missing", "say why the attempt has no outcome")
        if not _DECIMAL.fullmatch(item.seconds):
            one.bad("seconds", f"{item.seconds!r} is not a decimal", 'write it like "12.5", as text')
        one.no_others()
        found.append(item)
    outer.done()
    return found


def read_finish(data: object) -> FinishInput:
    """Read how a run ended."""
    reader = Reader(data, what="end of a run")
    status = reader.choice("status", ("complete", "incomplete"))
    # Where the status is missing too, what a complete run needs is named with it.
    whole = status != "incomplete"
    reason = reader.text(
        "reason", fix="say what stopped the run", required=status == "incomplete", longest=2000
    )
    integrity = []
    for position, value in enumerate(reader.sequence("integrity", required=False, most=100)):
        check = reader.member(value, "integrity", position)
        integrity.append(
            {
                "name": check.text("name", fix="name the check", longest=120),
                "status": check.choice("status", ("pass", "fail", "attention", "not checked")),
                "reason": check.text("reason", fix="", required=False, longest=2000),
            }
        )
    finish = FinishInput(
        status=status,
        reason=reason,
        log_digest=reader.digest("log_digest", required=whole),
        started_at=reader.instant("started_at", required=whole),
        ended_at=reader.instant("ended_at", required=whole),
        identity=reader.mapping("identity", required=False),
        egress=_egress(reader, integrity),
        integrity=tuple(integrity),
        extra={"suite_notes": reader.mapping("suite_notes", required=False)},
    )
    if finish.started_at and finish.ended_at and finish.ended_at < finish.started_at:
        reader.bad("ended_at", "is before started_at", "give the two instants in order")
    for name, value in (
        ("identity", finish.identity),
        ("egress", finish.egress),
        ("suite_notes", finish.extra),
    ):
        _jsonable(reader, name, value)
    reader.no_others()
    reader.done()
    return finish


def _egress(outer: Reader, integrity: Sequence[Mapping[str, str]]) -> Mapping[str, Any]:
    """Read what the sandboxes tried to send out. An attempt that no integrity check tells is refused."""
    reader = outer.inner("egress", required=False)
    counts = {
        name: reader.integer(name, low=0, high=2**53 - 1, required=False)
        for name in ("attempts", "sandboxes", "measured", "not_measured")
    }
    if counts["measured"] + counts["not_measured"] != counts["sandboxes"]:
        fix = "give the number of all sandboxes, and of those measured and not"
        reader.bad("sandboxes", "is not measured and not_measured together", fix)
    told = any(c["name"] == "egress attempts" and c["status"] in ("attention", "fail") for c in integrity)
    if counts["attempts"] and not told:
        fix = "send the integrity check 'egress attempts' with the status attention"
        reader.bad("attempts", f"{counts['attempts']} attempts, and no integrity check tells them", fix)
    return reader.data


def _jsonable(reader: Reader, name: str, value: Mapping[str, Any]) -> None:
    try:
        size = len(canon.dumps(dict(value)))
    except EvidenceError as error:
        reader.bad(name, error.message, "use text for decimals, and no values outside JSON")
        return
    if size > 48 * 1024:
        reader.bad(name, f"has {size} bytes", "keep it below 48 KiB")
