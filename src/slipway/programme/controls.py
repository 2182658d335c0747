"""What this keel really enforces, so that a clause of the terms cannot claim more.

Each clause of a pack names one of these controls or says ``policy only``; a
pack that names a control which is not here is refused. ``enforced_in`` is the
module that does it and ``proved_by`` the test; both are checked to exist.

An id is never removed or renamed: packs that reviews were offered with are read
again from their kept bytes, and must stay readable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

POLICY_ONLY = "policy only"
"""A clause that binds people and that no software here enforces."""


@dataclass(frozen=True, slots=True)
class Control:
    """One control: what it does and, as honestly, what it leaves open."""

    title: str
    does: str
    leaves_open: str
    enforced_in: str
    proved_by: str


CONTROLS: Mapping[str, Control] = MappingProxyType(
    {
        "grant": Control(
            "Scoped grants",
            "The gateway serves one model alias, the named routes and nothing else, and only while a grant "
            "agreed by both sides is active.",
            "What a reviewer does with an answer once it has been given.",
            "slipway.gateway.grants",
            "tests/gateway",
        ),
        "window": Control(
            "Window with a hard end",
            "Access ends by itself at the end of the window, live streams too, and only the developer can "
            "move the end later.",
            "Access that the developer gives by other ways than this gateway.",
            "slipway.programme.windows",
            "tests/programme/test_windows.py",
        ),
        "developer-stop": Control(
            "The developer's stop",
            "The developer can pause, shorten, end and revoke at any moment; nobody else can.",
            "Answers that were given before the stop.",
            "slipway.programme.stages",
            "tests/programme/test_no_veto.py",
        ),
        "keys": Control(
            "Keys that are scoped, expiring and revocable",
            "A key belongs to one grant, is stored as a keyed digest and can be revoked by either side.",
            "A key that its holder passes on works until it is revoked.",
            "slipway.gateway.keys",
            "tests/gateway",
        ),
        "sealed-endpoint": Control(
            "Sealed upstream secret",
            "The developer's endpoint and its key are encrypted to the gateway; the desk cannot read them.",
            "Whoever controls the gateway's process or its key file can.",
            "slipway.gateway.upstream_secret",
            "tests/gateway",
        ),
        "limits": Control(
            "Rates and budgets",
            "Requests and tokens a minute, concurrency and budgets in all are refused at the gateway.",
            "What is asked within the limits.",
            "slipway.gateway.limits",
            "tests/gateway",
        ),
        "commitments": Control(
            "Content stays out of records",
            "The log carries salted commitments to what was said, never the content.",
            "What either side keeps of its own conversation.",
            "slipway.gateway.ledger",
            "tests/gateway",
        ),
        "evidence": Control(
            "Evidence of every exchange",
            "Each exchange and each act is recorded in the tamper-evident log before it takes effect.",
            "An exchange that does not pass the gateway.",
            "slipway.evidence",
            "tests/evidence",
        ),
        "containment": Control(
            "Contained test bed",
            "A run is refused unless every escape probe failed closed and a deliberately open sandbox was "
            "caught.",
            "Flaws of the kernel that no probe covers.",
            "slipway.evaluation.containment",
            "tests/evaluation",
        ),
        "rule-first": Control(
            "Rule before data",
            "Suite commitment and decision rule are in the log before the run can start.",
            "The choice of the suite itself.",
            "slipway.programme.rule",
            "tests/programme/test_rule.py",
        ),
        "visibility": Control(
            "Parties only",
            "A review is visible to its parties; to anybody else it looks like one that does not exist.",
            "The operator of the site, who has the database.",
            "slipway.desk.reviews",
            "tests/desk",
        ),
    }
)
