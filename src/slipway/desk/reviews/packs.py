"""The policy pack of a review: kept as the bytes it was offered with, read back by its digest."""

from __future__ import annotations

from functools import lru_cache

from slipway.desk.reviews.models import PackCopy, Review
from slipway.programme import packs
from slipway.programme.packs import Pack


def keep(name: str) -> PackCopy:
    """Return the kept copy of the pack ``name``, storing its bytes on first use.

    :class:`~slipway.base.errors.InvalidInput` when there is no such pack. Packs are
    chosen among those shipped; a path would let a caller read files of the server.
    """
    pack = packs.load(name)
    copy, _ = PackCopy.objects.get_or_create(
        digest=pack.digest, defaults={"name": pack.name, "version": pack.version, "source": pack.raw}
    )
    return copy


def pack_of(review: Review) -> Pack:
    """Return the rules that a review runs under."""
    return by_digest(review.pack_id)


@lru_cache(maxsize=256)
def by_digest(digest: str) -> Pack:
    """Return a kept pack, parsed once per process."""
    return packs.parse(bytes(PackCopy.objects.get(pk=digest).source))
