"""The end of a run in words and files: why it did not start, why something is missing, one merged log."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slipway.base.errors import Refused
from slipway.evaluation import logs
from slipway.evaluation.runner.journal import RunFolder
from slipway.evaluation.stats import Summary


def not_contained(containment: Mapping[str, Any]) -> Refused:
    """Return the refusal of a run whose sandbox was not shown to hold; it names what got out."""
    out = [str(p["name"]) for p in containment.get("probes", ()) if p.get("status") != "pass"]
    control = containment.get("positive_control") or {}
    why = (
        f"these probes got out: {', '.join(out)}" if out else f"the positive control did not work: {control}"
    )
    return Refused(f"the run does not start, the sandbox is not contained: {why}", code="run.not_contained")


def item(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a journal line in the desk's words."""
    return {name: value for name, value in entry.items() if name != "at"}


def reason(why: Mapping[str, str] | None, summary: Summary) -> str:
    """Say why attempts are missing; "" for a complete run."""
    if not summary.missing:
        return ""
    if why is not None:
        return f"{why['code']}: {why['reason']}"
    most = max(summary.missing_reasons, key=lambda pair: pair[1])
    return f"{summary.missing} of {summary.planned} attempts are missing, most often: {most[0]}"


def merge(folder: RunFolder, standing: Mapping[tuple[str, int], Mapping[str, Any]]) -> Path | None:
    """Merge the shards' logs into ``run.eval``. Logs that a kill tore are left as they are."""
    readable = []
    for path in sorted(folder.logs.glob("*.eval")):
        try:
            logs.samples(path)
        except logs.LogUnreadable:
            continue
        readable.append(path)
    if not readable:
        return None
    out = folder.root / "run.eval"
    logs.merge(readable, out, keep={f"{item}.{epoch}" for item, epoch in standing})
    return out
