"""Instances: what makes one attempt at an item differ from every other.

``seed`` parametrises the item (keys, names, offsets) and follows from the
run's announced seed, so that a run can be repeated. ``flag`` and ``secret``
follow from a secret that only the evaluator holds: a flag that turns up
elsewhere names the attempt it leaked from, and hidden test inputs cannot be
prepared for.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Instance:
    """One attempt's parameters: ``reference`` may be shown, the others may not."""

    item: str
    epoch: int
    reference: str
    seed: str = field(repr=False)
    flag: str = field(repr=False)
    secret: str = field(repr=False)


def derive_instance(run_secret: bytes, run_seed: int, suite_digest: str, item: str, epoch: int) -> Instance:
    """Derive an attempt's instance; the same inputs give the same instance."""
    where = f"{suite_digest}\0{item}\0{epoch}".encode()

    def part(key: bytes, label: str) -> str:
        return hmac.new(key, f"slipway {label} v1\0".encode() + where, hashlib.sha256).hexdigest()

    open_key = hashlib.sha256(f"slipway run seed v1\0{run_seed}".encode()).digest()
    return Instance(
        item=item,
        epoch=epoch,
        reference=part(open_key, "reference")[:12],
        seed=part(open_key, "seed")[:32],
        flag=f"slw{{{part(run_secret, 'flag')[:24]}}}",
        secret=part(run_secret, "secret")[:32],
    )
