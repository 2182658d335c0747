"""The process that the kill rig kills: records and seals, and tells on stdout what it acknowledged.

Run as ``python -m tests.rigs.evidence_worker FOLDER [FAULT]``. Each acknowledged
record is one line ``id index leaf`` on stdout, written only after ``mark``
returned. The fault ``early`` plants a mistake for the rig's own mutation
check: it acknowledges before the log's commit.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from slipway.evidence.pending import Sealed
from slipway.evidence.store import SqliteStore
from tests.evidence.world import World


def main() -> None:
    folder, fault = Path(sys.argv[1]), (sys.argv[2:] or [""])[0]
    world = World(folder)

    def tell(sealed: list[Sealed]) -> None:
        lines = "".join(f"{s.id} {s.index} {s.leaf_hash}\n" for s in sealed)
        os.write(1, lines.encode())

    mark = world.source.mark
    commit = SqliteStore.commit
    if fault == "early":

        def early(store, owner, batch):
            tell(
                [Sealed(str(row.record), batch.first + i, "", row.n, "") for i, row in enumerate(batch.rows)]
            )
            commit(store, owner, batch)

        SqliteStore.commit = early  # type: ignore[method-assign]
    else:

        def acknowledge(sealed):
            mark(sealed)
            tell(sealed)

        world.source.mark = acknowledge  # type: ignore[method-assign]
    os.write(1, b"ready\n")
    while True:
        for number in range(3):
            world.act("exchange.opened", "gateway", number=number)
        world.sequencer.run_once()


if __name__ == "__main__":
    main()
