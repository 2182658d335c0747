"""One shard: some attempts, run by one process of ``work.map_shards``, which dies with the runner."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from slipway.evaluation.runner.attempt import ShardContext
from slipway.evaluation.runner.journal import Journal, RunFolder
from slipway.evaluation.runner.planning import Plan
from slipway.evaluation.suite import load


@dataclass(frozen=True, slots=True)
class ShardJob:
    """What a shard process is given. Goes through a pipe, never through a command line or a file."""

    name: str
    run_dir: str
    attempts: tuple[tuple[str, int], ...]
    gateway_url: str
    images: str
    image_digest: str
    key: str = field(repr=False)


def split(attempts: Sequence[tuple[str, int]], workers: int) -> list[tuple[tuple[str, int], ...]]:
    """Deal attempts to workers: all epochs of an item stay together, shards differ by one item at most."""
    by_item: dict[str, list[tuple[str, int]]] = {}
    for item, epoch in attempts:
        by_item.setdefault(item, []).append((item, epoch))
    shards: list[list[tuple[str, int]]] = [[] for _ in range(max(1, min(workers, len(by_item))))]
    for group in by_item.values():
        min(shards, key=len).extend(group)
    return [tuple(shard) for shard in shards if shard]


def context_of(job: ShardJob) -> ShardContext:
    """Return what the attempts of a job need."""
    folder = RunFolder(Path(job.run_dir))
    saved = folder.read_json("plan.json")
    assert saved is not None
    plan = Plan.from_json(saved)
    limits = plan.limits
    return ShardContext(
        suite=load(plan.suite_source),
        folder=folder,
        journal=Journal(folder, job.name),
        gateway_url=job.gateway_url.rstrip("/"),
        model_alias=plan.model_alias,
        images=Path(job.images),
        image_digest=job.image_digest,
        budgets=plan.budgets,
        request_seconds=limits.request_seconds,
        retries=limits.retries,
        give_up_after=limits.give_up_after,
        tool_seconds=limits.tool_seconds,
        max_output_tokens=limits.max_output_tokens,
        samples_at_once=plan.samples_at_once,
        seed=plan.seed,
        stream=plan.stream,
        key=job.key,
        secret=folder.secret(),
    )


def run_shard(job: ShardJob) -> str:
    """Run a shard's attempts; returns the path of Inspect's log. For a process of its own."""
    from slipway.evaluation import inspect_bridge

    return str(inspect_bridge.run_attempts(context_of(job), job.attempts))


def environment(folder: RunFolder) -> dict[str, str]:
    """Return the environment of shard processes.

    Inspect puts traces and buffers with plain transcripts into the user's home
    otherwise, and its settings could come from outside the plan. A proxy in the
    environment would see the key and the prompts.
    """
    dropped = ("http_proxy", "https_proxy", "all_proxy")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.lower() not in dropped and not name.startswith("INSPECT_")
    }
    private = {name: str(folder.private) for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")}
    return {**kept, **private, "INSPECT_DISPLAY": "none"}
