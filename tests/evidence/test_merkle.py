"""RFC 6962 against the public certificate-transparency reference vectors and the RFC's own recursion."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.evidence import merkle
from slipway.evidence.merkle import leaf_hash, node_hash, tree_root
from slipway.evidence.reasons import EvidenceError, Reason
from slipway.evidence.tiles import Edge, TileTree

LEAVES = [bytes.fromhex(h) for h in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): INCLUSION[0, 8],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def naive_root(leaves):
    """MTH of RFC 6962 section 2.1, word for word."""
    if not leaves:
        return merkle.EMPTY_ROOT
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(naive_root(leaves[:k]), naive_root(leaves[k:]))


def naive_path(m, leaves):
    """PATH of RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_subproof(m, leaves, whole):
    """SUBPROOF of RFC 6962 section 2.1.2."""
    if m == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m <= k:
        return [*naive_subproof(m, leaves[:k], whole), naive_root(leaves[k:])]
    return [*naive_subproof(m - k, leaves[k:], False), naive_root(leaves[:k])]


def tile_tree(leaves):
    store = {}
    edge = Edge()
    for tile in edge.extend([leaf_hash(leaf) for leaf in leaves]):
        store[tile.level, tile.number] = tile.hashes
    return TileTree(lambda level, number: store[level, number], len(leaves))


def refusal(reason, call, *arguments):
    with pytest.raises(EvidenceError) as caught:
        call(*arguments)
    assert caught.value.reason is reason


def test_empty_root():
    assert merkle.EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert tree_root([]) == merkle.EMPTY_ROOT


@pytest.mark.parametrize("size", range(1, 9))
def test_reference_roots(size):
    assert tree_root(LEAVES[:size]).hex() == ROOTS[size - 1]


@pytest.mark.parametrize(("place", "path"), INCLUSION.items())
def test_reference_inclusion(place, path):
    index, size = place
    proof = tile_tree(LEAVES[:size]).inclusion(index)
    assert [h.hex() for h in proof] == path
    merkle.verify_inclusion(index, size, leaf_hash(LEAVES[index]), proof, bytes.fromhex(ROOTS[size - 1]))


@pytest.mark.parametrize(("sizes", "path"), CONSISTENCY.items())
def test_reference_consistency(sizes, path):
    old, new = sizes
    proof = tile_tree(LEAVES[:new]).consistency(old)
    assert [h.hex() for h in proof] == path
    merkle.verify_consistency(old, new, proof, bytes.fromhex(ROOTS[old - 1]), bytes.fromhex(ROOTS[new - 1]))


@given(st.integers(1, 300), st.data())
def test_proofs_equal_the_rfc_recursion_and_verify(size, data):
    leaves = [b"%d" % n for n in range(size)]
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    tree, root = tile_tree(leaves), naive_root(leaves)
    assert tree.root() == root == tree_root(leaves)
    path = tree.inclusion(index)
    assert path == naive_path(index, leaves)
    merkle.verify_inclusion(index, size, leaf_hash(leaves[index]), path, root)
    growth = tree.consistency(old)
    assert growth == naive_subproof(old, leaves, True)
    merkle.verify_consistency(old, size, growth, naive_root(leaves[:old]), root)


@given(st.integers(1, 70), st.data())
def test_no_changed_proof_verifies(size, data):
    leaves = [b"%d" % n for n in range(size)]
    index = data.draw(st.integers(0, size - 1))
    path, root = naive_path(index, leaves), naive_root(leaves)
    claim = [index, size, leaf_hash(leaves[index]), path, root]
    which = data.draw(st.sampled_from(["index", "leaf", "root", "drop", "add", "flip", "swap"]))
    if which == "index":
        claim[0] = data.draw(st.integers(0, size - 1).filter(lambda i: i != index)) if size > 1 else size
    elif which == "leaf":
        claim[2] = leaf_hash(b"forged")
    elif which == "root":
        claim[4] = leaf_hash(b"forged")
    elif which == "add" or not path:
        claim[3] = [*path, leaf_hash(b"more")]
    elif which == "drop":
        claim[3] = path[:-1]
    elif which == "flip":
        at = data.draw(st.integers(0, len(path) - 1))
        claim[3] = [bytes([h[0] ^ 1]) + h[1:] if n == at else h for n, h in enumerate(path)]
    else:
        claim[3] = path[::-1] if path[::-1] != path else path[1:]
    with pytest.raises(EvidenceError):
        merkle.verify_inclusion(*claim)


@given(st.integers(2, 70), st.data())
def test_no_changed_consistency_verifies(size, data):
    leaves = [b"%d" % n for n in range(size)]
    old = data.draw(st.integers(1, size - 1))
    path, roots = naive_subproof(old, leaves, True), [naive_root(leaves[:old]), naive_root(leaves)]
    changed = data.draw(st.integers(0, len(path) + 1))
    if changed < len(path):
        path = [leaf_hash(b"x") if n == changed else h for n, h in enumerate(path)]
    else:
        roots[changed - len(path)] = leaf_hash(b"x")
    with pytest.raises(EvidenceError):
        merkle.verify_consistency(old, size, path, *roots)


def test_named_refusals():
    leaves = [b"a", b"b", b"c"]
    root, path, leaf = naive_root(leaves), naive_path(1, leaves), leaf_hash(b"b")
    check = merkle.verify_inclusion
    refusal(Reason.PROOF_INDEX, check, 3, 3, leaf, path, root)
    refusal(Reason.PROOF_INDEX, check, -1, 3, leaf, path, root)
    refusal(Reason.PROOF_INDEX, check, 0, 0, leaf, [], merkle.EMPTY_ROOT)
    refusal(Reason.PROOF_LENGTH, check, 1, 3, leaf, path[:1], root)
    refusal(Reason.PROOF_LENGTH, check, 1, 3, leaf, [*path, path[0]], root)
    refusal(Reason.PROOF_HASH_SIZE, check, 1, 3, leaf, [path[0][:31], path[1]], root)
    refusal(Reason.PROOF_HASH_SIZE, check, 1, 3, leaf + b"x", path, root)
    refusal(Reason.PROOF_ROOT, check, 1, 3, leaf, path, leaf)
    grown = merkle.verify_consistency
    refusal(Reason.PROOF_EMPTY_TREE, grown, 0, 3, [], merkle.EMPTY_ROOT, root)
    refusal(Reason.PROOF_EMPTY_TREE, merkle.consistency_ranges, 0, 3)
    refusal(Reason.PROOF_SIZES, grown, 4, 3, [], root, root)
    refusal(Reason.PROOF_SIZES, merkle.consistency_ranges, 4, 3)
    refusal(Reason.PROOF_LENGTH, grown, 3, 3, [root], root, root)
    refusal(Reason.PROOF_LENGTH, grown, 2, 3, [], naive_root(leaves[:2]), root)
    refusal(Reason.PROOF_ROOT, grown, 3, 3, [], root, leaf)
    refusal(Reason.PROOF_ROOT, grown, 2, 3, naive_subproof(2, leaves, True), leaf, root)
