"""The checks of a bundle, in the order in which one rests on another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slipway.evidence import canon, container, seal
from slipway.evidence.encoding import is_hash_hex, unb64
from slipway.evidence.keys import Verifier
from slipway.evidence.merkle import verify_consistency
from slipway.evidence.note import Checkpoint, open_checkpoint
from slipway.evidence.reasons import EvidenceError, Reason
from slipway.evidence.statement import (
    CHAIN_SUBJECT,
    PREDICATE_CERTIFICATE,
    PREDICATE_REPORT,
    dsse_verify,
    read_statement,
    sha256_hex,
)
from slipway.evidence.verify_chain import (
    Link,
    NotDecided,
    check_complete,
    check_inclusion,
    check_order,
    check_parties,
    check_policy,
    check_since,
    read_links,
)

_NEEDED = (
    "checkpoints/first",
    "checkpoints/last",
    "checkpoints/consistency",
    "report.dsse.json",
    "report.html",
)
ISSUED_RECORD = "report.issued"
DECIDED_RECORD = "determination.recorded"


class BundleChecks:
    """Holds what one check hands to the next."""

    def __init__(
        self, data: bytes, key: Verifier, policy: str | None, held: Checkpoint | None, held_note: str | None
    ) -> None:
        self.misbehaviour: str | None = None
        self._data = data
        self._key = key
        self._policy = policy
        self._held = held
        self._held_note = held_note
        self._members: dict[str, bytes] = {}
        self._review = ""
        self._last: Checkpoint
        self._links: list[Link] = []
        self._indexes: list[int] = []
        self._parties: dict[str, set[Verifier]] = {}
        self._payload = b""
        self._subjects: dict[str, str] = {}
        self._predicate: dict[str, Any] = {}
        self._signed_by: list[str] = []

    def steps(self) -> list[tuple[str, tuple[str, ...], Callable[[], str]]]:
        """Return the checks as (name, what must have passed before, how)."""
        return [
            ("container", (), self._check_container),
            ("manifest", ("container",), self._check_manifest),
            ("checkpoint", ("manifest",), self._check_checkpoint),
            ("policy", (), self._check_policy),
            ("consistency", ("checkpoint",), self._check_consistency),
            ("since", ("checkpoint",), self._check_since),
            ("entries", ("manifest",), self._check_entries),
            ("inclusion", ("checkpoint", "entries"), self._check_inclusion),
            ("chain", ("inclusion",), self._check_chain),
            ("parties", ("chain",), self._check_parties),
            ("report", ("parties",), self._check_report),
            ("completeness", ("chain", "report"), self._check_completeness),
            ("subjects", ("completeness",), self._check_subjects),
            ("certificate", ("report",), self._check_certificate),
            ("disclosures", ("chain",), self._check_disclosures),
            ("exports", ("report",), self._check_exports),
        ]

    def _check_container(self) -> str:
        self._members = container.unpack(self._data)
        return f"{len(self._members)} members, stored and sorted"

    def _check_manifest(self) -> str:
        raw = self._members.get("manifest.json")
        if raw is None:
            raise EvidenceError(Reason.MANIFEST, "manifest.json is missing")
        value = canon.loads_canonical(raw)
        if not isinstance(value, dict) or value.keys() != {"format", "log", "review", "files"}:
            raise EvidenceError(Reason.MANIFEST, "the manifest has not exactly format, log, review and files")
        files, review = value["files"], value["review"]
        if value["format"] != container.FORMAT or not isinstance(files, dict) or not isinstance(review, str):
            raise EvidenceError(Reason.MANIFEST, f"not a {container.FORMAT}")
        others = self._members.keys() - {"manifest.json"}
        if files.keys() != others:
            odd = sorted(files.keys() ^ others)
            raise EvidenceError(Reason.MANIFEST, f"manifest and members differ in {', '.join(odd[:5])}")
        for name, digest in files.items():
            if not is_hash_hex(digest) or sha256_hex(self._members[name]) != digest:
                raise EvidenceError(Reason.MANIFEST, f"{name} is not the file that the manifest lists")
        missing = [name for name in _NEEDED if name not in self._members]
        if missing:
            raise EvidenceError(Reason.BUNDLE_MEMBER, f"missing: {', '.join(missing)}")
        self._review = review
        return f"review {review}: every file is listed with its digest, none is missing"

    def _text(self, name: str) -> str:
        try:
            return self._members[name].decode("utf-8")
        except UnicodeDecodeError:
            raise EvidenceError(Reason.BUNDLE_MEMBER, f"{name} is not UTF-8") from None

    def _hashes(self, name: str) -> list[bytes]:
        text = self._text(name)
        if text and not text.endswith("\n"):
            raise EvidenceError(Reason.PROOF_SYNTAX, f"{name} does not end in a newline")
        return [unb64(line, name) for line in text.split("\n")[:-1]]

    def _check_checkpoint(self) -> str:
        self._last = open_checkpoint(self._text("checkpoints/last"), [self._key], self._key.name)
        return f"log {self._last.origin} of {self._last.size} entries, signed by the given key"

    def _check_policy(self) -> str:
        if self._policy is None:
            raise NotDecided("no policy was given; policy.txt in the bundle is for information")
        return check_policy(self._policy, self._key)

    def _check_consistency(self) -> str:
        first = open_checkpoint(self._text("checkpoints/first"), [self._key], self._key.name)
        path = self._hashes("checkpoints/consistency")
        verify_consistency(first.size, self._last.size, path, first.root, self._last.root)
        return f"the log grew from {first.size} to {self._last.size} entries without a change"

    def _check_since(self) -> str:
        if self._held is None or self._held_note is None:
            raise NotDecided("no earlier checkpoint was given")
        last_note = self._text("checkpoints/last")
        reason, self.misbehaviour = check_since(
            self._held, self._held_note, self._last, last_note, self._path_from(self._held.size)
        )
        if self.misbehaviour is not None:
            raise EvidenceError(Reason.LOG_FORK, reason)
        return reason

    def _path_from(self, size: int) -> list[bytes] | None:
        if f"checkpoints/since-{size}" in self._members:
            return self._hashes(f"checkpoints/since-{size}")
        first = open_checkpoint(self._text("checkpoints/first"), [self._key], self._key.name)
        return self._hashes("checkpoints/consistency") if first.size == size else None

    def _check_entries(self) -> str:
        names = sorted(name for name in self._members if name.startswith("entries/"))
        if names != [f"entries/{n:06}.json" for n in range(len(names))] or not names:
            raise EvidenceError(Reason.CHAIN_GAP, "entries/ is not numbered from 000000 without a gap")
        self._links = read_links([self._members[name] for name in names], self._key.name)
        return f"{len(names)} records, each canonical and of this log"

    def _check_inclusion(self) -> str:
        wanted = [f"proofs/{n:06}.tlog-proof" for n in range(len(self._links))]
        if sorted(name for name in self._members if name.startswith("proofs/")) != wanted:
            raise EvidenceError(Reason.BUNDLE_MEMBER, "proofs/ does not have one proof for each record")
        proofs = [self._text(name) for name in wanted]
        self._indexes = check_inclusion(self._links, proofs, self._text("checkpoints/last"), self._last)
        return f"all {len(proofs)} records are in the signed tree"

    def _check_chain(self) -> str:
        check_order(self._links, self._indexes, self._review)
        return f"{len(self._links)} records of review {self._review}, without a gap"

    def _check_parties(self) -> str:
        self._parties = check_parties(self._links)
        return f"every record is signed by its party ({', '.join(sorted(self._parties))})"

    def _known_keys(self) -> list[Verifier]:
        return [key for keys in self._parties.values() for key in keys]

    def _signers(self, good: tuple[Verifier, ...]) -> list[str]:
        return sorted(party for party, keys in self._parties.items() if keys & set(good))

    def _check_report(self) -> str:
        envelope = canon.loads(self._members["report.dsse.json"])
        payload, good = dsse_verify(envelope, self._known_keys())
        self._subjects, self._predicate = read_statement(payload, PREDICATE_REPORT)
        signers = self._signers(good)
        wanted = self._predicate.get("signers")
        if not isinstance(wanted, list) or not wanted:
            raise EvidenceError(Reason.STATEMENT_SCHEMA, "the report does not name its signers")
        missing = [party for party in wanted if party not in signers]
        if missing:
            raise EvidenceError(Reason.DSSE_UNSIGNED, f"no signature of {', '.join(map(str, missing))}")
        self._payload = payload
        self._signed_by = signers
        return f"signed by {', '.join(signers)}; {self._issued()}"

    def _issued(self) -> str:
        """Compare the report with the chain's own records that one was issued."""
        issued = [
            link.fields["body"].get("statement_sha256")
            for link in self._links
            if link.fields["type"] == ISSUED_RECORD
        ]
        if not issued:
            return "the chain was packed before its issue was sealed"
        if sha256_hex(self._payload) not in issued:
            raise EvidenceError(Reason.STATEMENT_SUBJECT, "the chain records the issue of another report")
        return "its issue is recorded in the chain"

    def _check_completeness(self) -> str:
        claimed = self._predicate.get("chain")
        if not isinstance(claimed, dict):
            raise EvidenceError(Reason.STATEMENT_SCHEMA, "the report says nothing of its chain")
        if claimed.get("review") != self._review:
            raise EvidenceError(Reason.CHAIN_REVIEW, f"the report is of review {claimed.get('review')!r}")
        found = check_complete(self._links, claimed)
        self._check_authority(int(claimed["n"]))
        return found

    def _check_authority(self, n: int) -> None:
        """See that who decided has signed: the report's own list of signers could name anybody.

        A party of the review could else cut the chain off before the issue and sign a report of its own.
        """
        fields = [link.fields for link in self._links[:n]]
        decided = [f["party"] for f in fields if f["type"] == DECIDED_RECORD]
        if not decided:
            raise EvidenceError(Reason.STATEMENT_SUBJECT, "the chain has no determination to report on")
        if decided[-1] not in self._signed_by:
            raise EvidenceError(Reason.DSSE_UNSIGNED, f"no signature of {decided[-1]}, who determined")

    def _check_subjects(self) -> str:
        if "report.html" not in self._subjects:
            raise EvidenceError(Reason.STATEMENT_SUBJECT, "the report does not name report.html")
        if ("report.pdf" in self._members) != ("report.pdf" in self._subjects):
            raise EvidenceError(Reason.STATEMENT_SUBJECT, "report.pdf is here or signed, but not both")
        for name, digest in self._subjects.items():
            if name == CHAIN_SUBJECT:
                if digest != self._predicate["chain"]["last"]:
                    raise EvidenceError(Reason.STATEMENT_SUBJECT, "the chain subject is not the chain's head")
            elif name not in self._members:
                raise EvidenceError(Reason.STATEMENT_SUBJECT, f"{name} is signed but not here")
            elif sha256_hex(self._members[name]) != digest:
                raise EvidenceError(Reason.STATEMENT_SUBJECT, f"{name} is not the file that was signed")
        return f"{', '.join(sorted(self._subjects))} are what was signed"

    def _check_certificate(self) -> str:
        if "certificate.dsse.json" not in self._members:
            raise NotDecided("the bundle has no certificate")
        envelope = canon.loads(self._members["certificate.dsse.json"])
        payload, good = dsse_verify(envelope, self._known_keys())
        subjects, predicate = read_statement(payload, PREDICATE_CERTIFICATE)
        if subjects != {"report": sha256_hex(self._payload)}:
            raise EvidenceError(Reason.CERTIFICATE_SUBJECT, "the certificate is about another report")
        properties = predicate.get("properties")
        if not isinstance(properties, list) or not all(isinstance(item, str) for item in properties):
            raise EvidenceError(Reason.STATEMENT_SCHEMA, "the certificate lists no properties")
        return f"signed by {', '.join(self._signers(good))}: {', '.join(properties)}"

    def _check_disclosures(self) -> str:
        names = [name for name in self._members if name.startswith("disclosures/")]
        if not names:
            raise NotDecided("the bundle discloses nothing")
        sealed = {link.fields["id"]: link.fields["sealed"] for link in self._links}
        opened = [field for name in names for field in seal.open_disclosure(self._members[name], sealed)]
        return f"{len(opened)} disclosed fields are those that the records commit to"

    def _check_exports(self) -> str:
        names = sorted(name for name in self._members if name.startswith("exports/"))
        if not names:
            raise NotDecided("the bundle has no exports")
        loose = [name for name in names if name not in self._subjects]
        if loose:
            raise NotDecided(f"not signed with the report: {', '.join(loose)}")
        return f"{len(names)} exports are signed with the report"
