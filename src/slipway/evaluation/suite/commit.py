"""Commitments: what is in a suite, fixed before access opens, without telling it.

Leaf = HMAC-SHA-256(item salt, canonical item). The item's salt keeps a guesser
from confirming an item; revealing one (item, salt) reveals nothing of the
others. The leaves form an RFC 6962 tree whose root goes into the evidence log.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

from slipway.evaluation.suite.manifest import Item, Suite
from slipway.evidence import canon, merkle

PUBLIC_SECRET = b"slipway public suite: the salts of a public suite hide nothing"


@dataclass(frozen=True, slots=True)
class ItemCommitment:
    """One item's leaf (hex) with what may be told about it."""

    id: str
    family: str
    domain: str
    commitment: str

    def as_dict(self) -> dict[str, str]:
        """Return the entry as it stands in a run's plan."""
        return {"id": self.id, "family": self.family, "domain": self.domain, "commitment": self.commitment}


@dataclass(frozen=True, slots=True)
class SuiteCommitment:
    """The root over all leaves, in manifest order."""

    name: str
    version: str
    digest: str
    root: str
    items: tuple[ItemCommitment, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the ``suite`` object of a run's plan."""
        return {
            "name": self.name,
            "version": self.version,
            "digest": self.digest,
            "commitment_root": self.root,
            "items": [item.as_dict() for item in self.items],
        }


def item_salt(secret: bytes, item_id: str) -> bytes:
    """Return an item's 32-byte salt, derived from the suite's secret."""
    return hmac.new(secret, b"slipway item salt v1\0" + item_id.encode(), hashlib.sha256).digest()


def item_leaf(salt: bytes, item: Item) -> bytes:
    """Return the leaf of one item: HMAC-SHA-256 of its canonical JSON (RFC 8785) under its salt."""
    return hmac.new(salt, canon.dumps(item.canonical()), hashlib.sha256).digest()


def commit(suite: Suite, secret: bytes | None = None) -> SuiteCommitment:
    """Commit to a suite. A sealed suite needs its secret; a public one uses the published one."""
    if secret is None and not suite.public:
        raise ValueError("a sealed suite is committed under its own secret")
    key = PUBLIC_SECRET if secret is None else secret
    leaves = [item_leaf(item_salt(key, item.id), item) for item in suite.items]
    return SuiteCommitment(
        name=suite.name,
        version=suite.version,
        digest=suite.digest,
        root=merkle.tree_root(leaves).hex(),
        items=tuple(
            ItemCommitment(item.id, item.family, str(item.domain), leaf.hex())
            for item, leaf in zip(suite.items, leaves, strict=True)
        ),
    )
