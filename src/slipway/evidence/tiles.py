"""C2SP tlog-tiles geometry (height 8) over RFC 6962 trees.

A tile at level L, number N holds up to 256 consecutive subtree hashes of
height 8·L. The store keeps full tiles and, for the right edge, the current
partial ones; everything else (inner nodes, proofs) is recomputed from them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from slipway.evidence.merkle import (
    EMPTY_ROOT,
    HASH_SIZE,
    _sha256,
    consistency_ranges,
    fold,
    inclusion_ranges,
    node_hash,
)
from slipway.evidence.reasons import EvidenceError, Reason

WIDTH = 256
MAX_ENTRY = 0xFFFF  # entry bundles count with a big-endian u16


def path(level: int | str, number: int, width: int = WIDTH) -> str:
    """Return the tlog-tiles path of a tile; ``level`` may be ``"entries"`` for an entry bundle."""
    if isinstance(level, int) and not 0 <= level <= 63:
        raise ValueError("tile level must be 0 to 63")
    if number < 0 or not 1 <= width <= WIDTH:
        raise ValueError("tile number or width out of range")
    digits = str(number)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    name = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
    return f"tile/{level}/{name}" + ("" if width == WIDTH else f".p/{width}")


def partial_width(level: int, size: int) -> int:
    """Return how many hashes the partial tile of ``level`` has in a tree of ``size`` leaves."""
    return (size >> (8 * level)) % WIDTH


def tile_width(level: int, number: int, size: int) -> int:
    """Return the width of one tile in a tree of ``size`` leaves; 0 when it does not exist."""
    return max(0, min(WIDTH, (size >> (8 * level)) - number * WIDTH))


def geometry(size: int) -> Iterator[tuple[int, int, int]]:
    """Yield (level, number, width) of every tile of a tree of ``size`` leaves."""
    level = 0
    while size >> (8 * level):
        count = size >> (8 * level)
        for number in range(-(-count // WIDTH)):
            yield level, number, min(WIDTH, count - number * WIDTH)
        level += 1


def bundle_entries(entries: Sequence[bytes]) -> bytes:
    """Return the C2SP entry bundle: each entry prefixed with its length as a big-endian u16."""
    return b"".join(struct.pack(">H", len(entry)) + entry for entry in entries)


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile as it is stored: its place and its hashes, concatenated."""

    level: int
    number: int
    hashes: bytes

    @property
    def width(self) -> int:
        """How many hashes it holds."""
        return len(self.hashes) // HASH_SIZE


TileGetter = Callable[[int, int], bytes]
"""``get(level, number)`` returns the widest stored version of a tile, or raises."""


@dataclass(slots=True)
class Edge:
    """The right edge of a tree: all that is needed to append and to know the root.

    ``partial[L]`` holds the hashes of the partial tile of level L, ``frontier``
    the maximal perfect subtrees from left to right as (height, hash).
    """

    size: int = 0
    partial: list[list[bytes]] = field(default_factory=lambda: [[]])
    frontier: list[tuple[int, bytes]] = field(default_factory=list)

    @classmethod
    def load(cls, size: int, get: TileGetter) -> Edge:
        """Rebuild the edge of a tree of ``size`` leaves from its partial tiles."""
        partial: list[list[bytes]] = []
        level = 0
        while level == 0 or size >> (8 * level):
            width = partial_width(level, size)
            hashes = get(level, size >> (8 * (level + 1))) if width else b""
            if len(hashes) < width * HASH_SIZE:
                raise EvidenceError(
                    Reason.LOG_DAMAGED, f"tile {path(level, size >> (8 * (level + 1)))} is too short"
                )
            partial.append([hashes[i * HASH_SIZE : (i + 1) * HASH_SIZE] for i in range(width)])
            level += 1
        edge = cls(size, partial)
        for level in reversed(range(len(partial))):
            position = 0
            for bit in reversed(range(8)):
                if len(partial[level]) >> bit & 1:
                    part = partial[level][position : position + (1 << bit)]
                    edge.frontier.append((8 * level + bit, fold(part)))
                    position += 1 << bit
        return edge

    def copy(self) -> Edge:
        """Return an independent copy, so that a failed commit leaves the original untouched."""
        return Edge(self.size, [list(level) for level in self.partial], list(self.frontier))

    def extend(self, leaves: Sequence[bytes]) -> list[Tile]:
        """Append leaf hashes; return every tile that this completed or changed."""
        full: list[Tile] = []
        touched = {0}
        done = 0
        while done < len(leaves):
            tile = self.partial[0]
            if not tile and len(leaves) - done >= WIDTH:
                # A whole tile at once, its inner hashes level by level: twice as fast as leaf by leaf.
                tile += leaves[done : done + WIDTH]
                self.size += WIDTH
                done += WIDTH
                self._flush(0, full)
                self._join(8, fold(tile), full, touched)
            else:
                tile.append(leaves[done])
                self.size += 1
                done += 1
                # The full tile goes first: the levels above are looked at with those below complete.
                if len(tile) == WIDTH:
                    self._flush(0, full)
                self._join(0, leaves[done - 1], full, touched)
        for level in sorted(touched):
            if self.partial[level]:
                number = self.size >> (8 * (level + 1))
                full.append(Tile(level, number, b"".join(self.partial[level])))
        return full

    def _join(self, height: int, value: bytes, full: list[Tile], touched: set[int]) -> None:
        """Add a perfect subtree at the right and merge equals; perfect ones of height 8·L enter level L."""
        frontier, sha256 = self.frontier, _sha256
        if height:
            self._push(height // 8, value, full, touched)
        while frontier and frontier[-1][0] == height:
            value = sha256(b"\x01" + frontier.pop()[1] + value).digest()
            height += 1
            if height % 8 == 0:
                self._push(height // 8, value, full, touched)
        frontier.append((height, value))

    def _push(self, level: int, value: bytes, full: list[Tile], touched: set[int]) -> None:
        while len(self.partial) <= level:
            self.partial.append([])
        tile = self.partial[level]
        tile.append(value)
        touched.add(level)
        if len(tile) == WIDTH:
            self._flush(level, full)

    def _flush(self, level: int, full: list[Tile]) -> None:
        number = (self.size >> (8 * (level + 1))) - 1
        full.append(Tile(level, number, b"".join(self.partial[level])))
        self.partial[level] = []

    def root(self) -> bytes:
        """Return the RFC 6962 root."""
        if not self.frontier:
            return EMPTY_ROOT
        value = self.frontier[-1][1]
        for _, left in reversed(self.frontier[:-1]):
            value = node_hash(left, value)
        return value


class TileTree:
    """Proofs over stored tiles for a tree of one size. Caches what it expanded, so use one per request."""

    def __init__(self, get: TileGetter, size: int) -> None:
        self._get = get
        self.size = size
        self._levels: dict[tuple[int, int], list[list[bytes]]] = {}

    def _tile(self, level: int, number: int) -> list[list[bytes]]:
        key = (level, number)
        cached = self._levels.get(key)
        if cached is not None:
            return cached
        width = tile_width(level, number, self.size)
        data = self._get(level, number)
        # The stored tile may be wider than this tree's: a proof for an older size sees a prefix only.
        if len(data) < width * HASH_SIZE:
            raise EvidenceError(Reason.LOG_DAMAGED, f"tile {path(level, number)} is too short")
        row = [data[i * HASH_SIZE : (i + 1) * HASH_SIZE] for i in range(width)]
        rows = [row]
        while len(row) > 1:
            row = [_sha256(b"\x01" + row[i] + row[i + 1]).digest() for i in range(0, len(row) - 1, 2)]
            rows.append(row)
        self._levels[key] = rows
        return rows

    def leaf(self, index: int) -> bytes:
        """Return the leaf hash at ``index``."""
        return self._node(0, index)

    def _node(self, height: int, index: int) -> bytes:
        """Return the hash of the perfect subtree over leaves [index·2^height, (index+1)·2^height)."""
        level, row = divmod(height, 8)
        number, position = divmod(index << row, WIDTH)
        return self._tile(level, number)[row][position >> row]

    def range_root(self, low: int, high: int) -> bytes:
        """Return the RFC 6962 root of leaves [low, high), a range as proofs produce them."""
        parts, count = [], high - low
        while count:
            height = count.bit_length() - 1
            parts.append(self._node(height, low >> height))
            low += 1 << height
            count -= 1 << height
        if not parts:
            return EMPTY_ROOT
        value = parts.pop()
        while parts:
            value = node_hash(parts.pop(), value)
        return value

    def root(self) -> bytes:
        """Return the root of the whole tree."""
        return self.range_root(0, self.size)

    def inclusion(self, index: int) -> list[bytes]:
        """Return the RFC 6962 audit path of a leaf in this tree."""
        return [self.range_root(low, high) for low, high in inclusion_ranges(index, self.size)]

    def consistency(self, old: int) -> list[bytes]:
        """Return the RFC 6962 consistency proof from ``old`` leaves to this tree."""
        return [self.range_root(low, high) for low, high in consistency_ranges(old, self.size)]
