"""Work room: compute that is spread over processes, with results that say what became of each piece.

:func:`~slipway.work.shards.map_shards` runs one function over shards in
processes of their own. A worker that is killed loses its shard and nothing
else. Drivers for other places to run (a cluster) fit behind
:class:`~slipway.work.interface.ShardExecutor`.
"""

from slipway.work.interface import Done, Failed, Lost, NotStarted, Outcome, ShardExecutor
from slipway.work.shards import ProcessExecutor, map_shards

__all__ = [
    "Done",
    "Failed",
    "Lost",
    "NotStarted",
    "Outcome",
    "ProcessExecutor",
    "ShardExecutor",
    "map_shards",
]
