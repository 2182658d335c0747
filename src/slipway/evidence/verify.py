"""Check a bundle or a receipt offline, with one file and one key. Trusts nothing inside the file.

Import-pure: standard library and ``cryptography`` only; no database, no
Django, no network. Also runs as ``python -m slipway.evidence.verify FILE
--key VKEY``.

Every check has one line: pass, fail, or *not checked* with the reason, which
is never a pass. Exit status: 0 every required check passes, 1 something is
wrong, 2 usage, 3 undecidable (nothing wrong was found, but a required check
could not be made).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from slipway.base.errors import Exit
from slipway.base.results import Check, Status
from slipway.evidence import canon, container
from slipway.evidence.keys import Verifier
from slipway.evidence.note import Checkpoint, open_checkpoint
from slipway.evidence.reasons import EvidenceError, Reason
from slipway.evidence.verify_bundle import BundleChecks
from slipway.evidence.verify_chain import NotDecided
from slipway.evidence.verify_receipt import ReceiptChecks

T = TypeVar("T")
MAX_FILE = container.MAX_TOTAL + 64 * 1024 * 1024

OPTIONAL = frozenset({"since", "policy", "certificate", "disclosures", "exports", "party"})
"""Checks that need not be made for a verdict, unless the caller asked for them."""

_BUNDLE = "get the bundle again; it is the file that `slipway review report --bundle` writes"
_KEY = "give the line that the desk's /log/key shows, or @FILE with it"
_SINCE = "give a checkpoint as the desk's /log/checkpoint showed it, whole and unchanged"
_FILE = "name a bundle or a receipt that you may read"
# By check and not by reason: a broken key inside a bundle is nothing that whoever verifies could mend.
_FIXES = {
    "container": _BUNDLE,
    "manifest": _BUNDLE,
    "receipt": "name a bundle (`slipway review report --bundle`) or a receipt (`slipway receipt --output`)",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """All checks in order, the exit status, and a proof of misbehaviour when two signed heads conflict."""

    checks: tuple[Check, ...]
    status: Exit
    misbehaviour: str | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """What the caller trusts and asks for."""

    key: Verifier
    policy: str | None
    since: str | None
    held: Checkpoint | None


def verify_file(path: Path, vkey: str, policy: str | None = None, since: str | None = None) -> Verdict:
    """Check a bundle or receipt file against the log's ``vkey``.

    ``policy`` is trust policy text that names the log and its quorum,
    ``since`` the text of a signed checkpoint held from before. Never raises
    for bad content; a file that cannot be read is usage (2).
    """
    try:
        given = _given(vkey, policy, since)
        if path.stat().st_size > MAX_FILE:
            return _single(
                "container",
                f"[{Reason.ZIP_LIMIT}] the file has over {MAX_FILE} bytes; {_BUNDLE}",
                Exit.INVALID,
            )
        data = path.read_bytes()
    except EvidenceError as error:
        return _single("usage", printable(f"[{error.reason}] {error.message}"), Exit.USAGE)
    except OSError as error:
        return _single("usage", f"the file cannot be read: {error}; {_FILE}", Exit.USAGE)
    return verify_bytes(data, given)


def verify_bytes(data: bytes, given: Given) -> Verdict:
    """Check the bytes of a bundle (a zip) or a receipt (JSON)."""
    steps: BundleChecks | ReceiptChecks
    if data.startswith(b"PK"):
        steps = BundleChecks(data, given.key, given.policy, given.held, given.since)
    else:
        steps = ReceiptChecks(data, given.key, given.policy, given.held, given.since)
    asked = {"policy": given.policy, "since": given.since}
    checks = tuple(_perform(steps.steps()))
    required = [c for c in checks if c.name not in OPTIONAL or asked.get(c.name) is not None]
    if any(check.status is Status.FAIL for check in checks):
        status = Exit.INVALID
    elif any(check.status is Status.NOT_CHECKED for check in required):
        status = Exit.UNDECIDABLE
    else:
        status = Exit.OK
    return Verdict(checks, status, steps.misbehaviour)


def _given(vkey: str, policy: str | None, since: str | None) -> Given:
    key = _with_fix(lambda: Verifier.parse(vkey), _KEY)
    held = None if since is None else _with_fix(lambda: open_checkpoint(since, [key], key.name), _SINCE)
    return Given(key, policy, since, held)


def _with_fix(read: Callable[[], T], fix: str) -> T:
    """Return what ``read`` returns; its refusal is raised with what would be right."""
    try:
        return read()
    except EvidenceError as error:
        raise EvidenceError(error.reason, f"{error.message}; {fix}") from None


def _single(name: str, reason: str, status: Exit) -> Verdict:
    return Verdict((Check(name, Status.FAIL, reason),), status)


def printable(text: str) -> str:
    """Return text that cannot draw lines of its own on a terminal: parts of it come from the bundle."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def _perform(steps: list[tuple[str, tuple[str, ...], Callable[[], str]]]) -> list[Check]:
    """Make the checks in order; one whose foundation did not pass is not made."""
    done: dict[str, Check] = {}
    for name, needs, step in steps:
        missing = [need for need in needs if done[need].status is not Status.PASS]
        if missing:
            check = Check(name, Status.NOT_CHECKED, f"needs {', '.join(missing)}")
        else:
            try:
                check = Check(name, Status.PASS, printable(step()))
            except NotDecided as undecided:
                check = Check(name, Status.NOT_CHECKED, printable(str(undecided)))
            except EvidenceError as error:
                fix = f"; {_FIXES[name]}" if name in _FIXES else ""
                check = Check(name, Status.FAIL, printable(f"[{error.reason}] {error.message}{fix}"))
        done[name] = check
    return list(done.values())


def main(arguments: list[str] | None = None) -> int:
    """Run the verifier from a shell; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m slipway.evidence.verify", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--key", required=True, help="verification key of the log (vkey), or @FILE")
    parser.add_argument("--policy", type=Path, help="file with a trust policy")
    parser.add_argument("--since", type=Path, help="file with a checkpoint held from before")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    options = parser.parse_args(arguments)
    try:
        key: str = options.key
        if key.startswith("@"):
            key = Path(key[1:]).read_text("utf-8").strip()
        policy = options.policy.read_text("utf-8") if options.policy else None
        since = options.since.read_text("utf-8") if options.since else None
    except (OSError, UnicodeDecodeError) as error:
        parser.error(str(error))
    verdict = verify_file(options.file, key, policy, since)
    if options.json:
        print(json.dumps(as_dict(verdict), ensure_ascii=False, indent=2))
    else:
        for check in verdict.checks:
            print(f"{check.status:<11}  {check.name}: {check.reason}")
    if verdict.misbehaviour is not None:
        proof = options.file.with_name(options.file.name + ".misbehaviour.json")
        proof.write_text(verdict.misbehaviour, "utf-8")
        print(f"two signed heads conflict; proof written to {proof}", file=sys.stderr)
    return int(verdict.status)


def as_dict(verdict: Verdict) -> dict[str, Any]:
    """Return the verdict as plain data, for JSON."""
    return {
        "status": int(verdict.status),
        "checks": [check.as_dict() for check in verdict.checks],
        "misbehaviour": None if verdict.misbehaviour is None else canon.loads(verdict.misbehaviour.encode()),
    }


if __name__ == "__main__":
    sys.exit(main())
