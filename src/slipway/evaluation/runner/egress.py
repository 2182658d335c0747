"""What the sandboxes of a run tried to send out, as the kernel counted it.

Each sandbox is looked at right before it is stopped. One whose runner was
killed, or that another provider ran, was not measured, and that is said: a
total over some sandboxes is no total over all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slipway.base.results import Check, Status
from slipway.evaluation.runner import journal
from slipway.evaluation.runner.journal import RunFolder
from slipway.evaluation.runner.planning import Plan

METHOD = "kernel counters of packets and connections without a route, read before each sandbox was stopped"
_NAMED = 20


def record(folder: RunFolder, plan: Plan, containment: Mapping[str, Any]) -> dict[str, Any]:
    """Return the egress record of a run, over every sandbox that an attempt ever had in its folder.

    ``attempts`` counts packets and connections towards an address outside, over the ``measured`` ones of
    ``sandboxes``; ``tried`` and ``not_measured_in`` name at most 20 attempts (``item.epoch``).
    """
    names: dict[str, str] = {}
    counts: dict[str, int] = {}
    for line in journal.sandboxes(folder):
        key = str(line["sandbox"])
        names[key] = f"{line['item']}.{line['epoch']}"
        count = line.get("attempted_egress")
        if isinstance(count, int):
            counts[key] = count
    tried: dict[str, int] = {}
    for key, count in counts.items():
        if count:
            tried[names[key]] = tried.get(names[key], 0) + count
    lost = sorted(name for key, name in names.items() if key not in counts)
    return {
        "policy": str(plan.sandbox.get("egress", "none")),
        "method": METHOD,
        "attempts": sum(counts.values()),
        "sandboxes": len(names),
        "measured": len(counts),
        "not_measured": len(lost),
        "tried": dict(sorted(tried.items())[:_NAMED]),
        "not_measured_in": lost[:_NAMED],
        "canary": dict(containment.get("canary") or {}),
    }


def check(measured: Mapping[str, Any]) -> Check:
    """Return the integrity check over an egress record.

    An attempt wants a person's attention and blocks no verdict: the sandbox held, so the figures mean what
    they say, and a model must not be able to escape a finding by calling `ping`.
    """
    attempts, lost = int(measured["attempts"]), int(measured["not_measured"])
    unknown = f"; {lost} of {measured['sandboxes']} sandboxes could not be measured" if lost else ""
    if attempts:
        named = ", ".join(f"{name} ({count})" for name, count in measured["tried"].items())
        reason = (
            f"{attempts} attempts to reach an address outside in {named}{unknown}. None had a route, so the "
            f"sandbox held and the figures stand; a person should read these transcripts"
        )
        return Check("egress attempts", Status.ATTENTION, reason)
    if lost or not measured["sandboxes"]:
        reason = f"no attempt was seen{unknown}" if lost else "no sandbox was started"
        return Check("egress attempts", Status.NOT_CHECKED, reason)
    return Check("egress attempts", Status.PASS, f"none in {measured['measured']} measured sandboxes")
