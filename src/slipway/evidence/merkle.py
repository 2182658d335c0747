"""RFC 6962 section 2.1 Merkle trees: hashes, roots, and verification of proofs.

Verification follows the algorithms of RFC 9162 sections 2.1.3.2 and 2.1.4.2
and raises :class:`EvidenceError` with the rule that was broken. It returns
nothing on success, so that a result cannot be ignored by accident.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from slipway.evidence.reasons import EvidenceError, Reason

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

_sha256 = hashlib.sha256


def leaf_hash(entry: bytes) -> bytes:
    """Return SHA-256(0x00 || entry)."""
    return _sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 || left || right)."""
    return _sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """Return the RFC 6962 root over equal-height subtree hashes, left-complete."""
    level = list(hashes)
    if not level:
        return EMPTY_ROOT
    while len(level) > 1:
        above = [_sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
        if len(level) & 1:
            above.append(level[-1])
        level = above
    return level[0]


def tree_root(entries: Iterable[bytes]) -> bytes:
    """Return the RFC 6962 root of whole entries (for tests and recomputation)."""
    return fold([leaf_hash(entry) for entry in entries])


def split(size: int) -> int:
    """Return the largest power of two below ``size`` (``size`` at least 2)."""
    return 1 << ((size - 1).bit_length() - 1)


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """Return the leaf ranges whose roots form the inclusion proof, from the leaf's sibling up."""
    if not 0 <= index < size:
        raise EvidenceError(Reason.PROOF_INDEX, f"index {index} is not below size {size}")
    low, high, ranges = 0, size, []
    while high - low > 1:
        middle = low + split(high - low)
        if index < middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low = middle
    return ranges[::-1]


def consistency_ranges(old: int, new: int) -> list[tuple[int, int]]:
    """Return the leaf ranges whose roots form the consistency proof from ``old`` to ``new``."""
    if not 0 < old <= new:
        raise EvidenceError(
            Reason.PROOF_EMPTY_TREE if old == 0 else Reason.PROOF_SIZES,
            f"no consistency proof from size {old} to {new}",
        )
    low, high, ranges, whole = 0, new, [], True
    while old != high:
        middle = low + split(high - low)
        if old <= middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low, whole = middle, False
    head = [] if whole else [(low, high)]
    return head + ranges[::-1]


def _check_hashes(hashes: Iterable[bytes]) -> None:
    for value in hashes:
        if len(value) != HASH_SIZE:
            raise EvidenceError(Reason.PROOF_HASH_SIZE, f"a hash has {len(value)} bytes, not {HASH_SIZE}")


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Check that ``leaf`` (a leaf hash) is at ``index`` of the tree of ``size`` leaves with ``root``."""
    if not 0 <= index < size:
        raise EvidenceError(Reason.PROOF_INDEX, f"index {index} is not below size {size}")
    _check_hashes((leaf, root, *proof))
    # Below the highest differing bit every level has a sibling; above it only set bits have one.
    inner = (index ^ (size - 1)).bit_length()
    border = (index >> inner).bit_count()
    if len(proof) != inner + border:
        raise EvidenceError(
            Reason.PROOF_LENGTH, f"proof has {len(proof)} hashes where {inner + border} are needed"
        )
    result, sha256 = leaf, _sha256
    for level in range(inner):
        if index >> level & 1:
            result = sha256(b"\x01" + proof[level] + result).digest()
        else:
            result = sha256(b"\x01" + result + proof[level]).digest()
    for level in range(inner, inner + border):
        result = sha256(b"\x01" + proof[level] + result).digest()
    if result != root:
        raise EvidenceError(Reason.PROOF_ROOT, "the proof leads to another root")


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check that the tree of ``new`` leaves extends the tree of ``old`` leaves.

    Size 0 is refused: everything extends the empty tree, so a proof from it
    would prove nothing.
    """
    if old == 0:
        raise EvidenceError(Reason.PROOF_EMPTY_TREE, "consistency with the empty tree proves nothing")
    if not 0 < old <= new:
        raise EvidenceError(Reason.PROOF_SIZES, f"sizes {old} and {new} are not in order")
    _check_hashes((old_root, new_root, *proof))
    needed = len(consistency_ranges(old, new))
    if len(proof) != needed:
        raise EvidenceError(Reason.PROOF_LENGTH, f"proof has {len(proof)} hashes where {needed} are needed")
    if old == new:
        if old_root != new_root:
            raise EvidenceError(Reason.PROOF_ROOT, f"two different roots for size {old}")
        return
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    first, last = old - 1, new - 1
    while first & 1:
        first >>= 1
        last >>= 1
    old_side = new_side = path[0]
    for sibling in path[1:]:
        if first & 1 or first == last:
            old_side = node_hash(sibling, old_side)
            new_side = node_hash(sibling, new_side)
            while first and not first & 1:
                first >>= 1
                last >>= 1
        else:
            new_side = node_hash(new_side, sibling)
        first >>= 1
        last >>= 1
    if old_side != old_root:
        raise EvidenceError(Reason.PROOF_ROOT, "the proof leads to another old root")
    if new_side != new_root:
        raise EvidenceError(Reason.PROOF_ROOT, "the proof leads to another new root")
