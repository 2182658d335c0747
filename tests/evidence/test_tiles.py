from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.evidence import tiles
from slipway.evidence.merkle import HASH_SIZE, fold, leaf_hash
from slipway.evidence.reasons import EvidenceError, Reason
from slipway.evidence.tiles import Edge, TileTree


def leaves_of(size: int) -> list[bytes]:
    return [leaf_hash(n.to_bytes(4, "big")) for n in range(size)]


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ((0, 0), "tile/0/000"),
        ((0, 273, 112), "tile/0/273.p/112"),
        ((1, 1234067), "tile/1/x001/x234/067"),
        ((2, 0, 1), "tile/2/000.p/1"),
        ((63, 1000), "tile/63/x001/000"),
        (("entries", 999999), "tile/entries/x999/999"),
    ],
)
def test_paths_of_the_specification(arguments, path):
    assert tiles.path(*arguments) == path


@pytest.mark.parametrize("arguments", [(64, 0), (-1, 0), (0, -1), (0, 0, 0), (0, 0, 257)])
def test_impossible_tiles(arguments):
    with pytest.raises(ValueError):
        tiles.path(*arguments)


def test_geometry_of_70000_is_the_specification_s_example():
    found = list(tiles.geometry(70_000))
    assert sum(1 for level, _, width in found if level == 0 and width == 256) == 273
    assert [t for t in found if t[0] == 0 and t[2] < 256] == [(0, 273, 112)]
    assert [t for t in found if t[0] == 1] == [(1, 0, 256), (1, 1, 17)]
    assert [t for t in found if t[0] == 2] == [(2, 0, 1)]
    assert list(tiles.geometry(256)) == [(0, 0, 256), (1, 0, 1)]
    assert list(tiles.geometry(0)) == []


def test_entry_bundle_counts_with_big_endian_u16():
    assert tiles.bundle_entries([b"", b"abc"]) == b"\0\0\0\3abc"
    assert struct.unpack(">H", tiles.bundle_entries([b"x" * 65535])[:2]) == (65535,)
    with pytest.raises(struct.error):
        tiles.bundle_entries([b"x" * 65536])


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 600), min_size=1, max_size=8), st.randoms())
def test_any_batching_gives_the_same_tiles_and_root(batches, random):
    size = sum(batches)
    leaves = leaves_of(size)
    stored: dict[tuple[int, int], bytes] = {}
    edge, done = Edge(), 0
    for batch in batches:
        for tile in edge.extend(leaves[done : done + batch]):
            stored[tile.level, tile.number] = tile.hashes
        done += batch
        assert edge.root() == fold(leaves[:done])
        # A reload from the store alone gives the same edge.
        again = Edge.load(done, lambda level, number: stored[level, number])
        assert (again.root(), again.partial, again.frontier) == (edge.root(), edge.partial, edge.frontier)
    assert {(lv, n, len(h) // HASH_SIZE) for (lv, n), h in stored.items()} == set(tiles.geometry(size))
    old = random.randint(1, size)
    # A proof for an older size reads a prefix of the newest tiles.
    assert TileTree(lambda level, number: stored[level, number], old).root() == fold(leaves[:old])


def test_three_levels():
    size = 256 * 256 + 300
    leaves = leaves_of(size)
    stored = {(t.level, t.number): t.hashes for t in Edge().extend(leaves)}
    assert {(lv, n, len(h) // HASH_SIZE) for (lv, n), h in stored.items()} == set(tiles.geometry(size))
    tree = TileTree(lambda level, number: stored[level, number], size)
    assert tree.root() == fold(leaves)
    assert tree.leaf(65_700) == leaves[65_700]
    assert stored[1, 0][:HASH_SIZE] == fold(leaves[:256])
    assert stored[2, 0] == fold(leaves[:65536])


def test_short_tile_is_damage():
    stored = {(t.level, t.number): t.hashes[:-1] for t in Edge().extend(leaves_of(10))}

    def get(level, number):
        return stored[level, number]

    for attempt in (lambda: Edge.load(10, get), lambda: TileTree(get, 10).root()):
        with pytest.raises(EvidenceError) as caught:
            attempt()
        assert caught.value.reason is Reason.LOG_DAMAGED
