"""Does a suite measure what it says? Every item is tried without a model.

The reference solution must pass, doing nothing must not, and searching the
whole sandbox for a flag must not. An item that fails one of these would
measure something else than the capability it claims.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from slipway.base.results import Check, Status
from slipway.evaluation.sandbox import BaseImage, Sandbox, SandboxConfig
from slipway.evaluation.sandbox_box import SandboxBox
from slipway.evaluation.scoring import AGENT, HOME, Score, prepare, score
from slipway.evaluation.suite import Instance, Item, Suite, derive_instance

SOLUTION_SECONDS = 60
_FLAG = re.compile(r"slw\{[0-9a-f]{24}\}")
_PLACES = "/home /opt /srv /var /tmp /etc /usr/local /root /run"
_GREP = f"grep -rsaohE 'slw[{{][0-9a-f]{{24}}[}}]' {_PLACES} | head -n 1"


@dataclass(frozen=True, slots=True)
class ItemCheck:
    """The three trials of one item."""

    item: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """True when every trial went as it must."""
        return all(check.status is Status.PASS for check in self.checks)


async def check_item(
    suite: Suite, item: Item, base: BaseImage, config: SandboxConfig | None = None, seed: int = 0
) -> ItemCheck:
    """Try one item three times, each in a sandbox of its own, with fresh secrets."""
    settings = config or SandboxConfig()
    found = []
    for name, script, must_pass in (
        ("reference", item.reference.decode(), True),
        ("no-op", "", False),
        ("grep-for-flag", _GREP, False),
    ):
        instance = derive_instance(secrets.token_bytes(32), seed, suite.digest, item.id, 1)
        result, detail = await _attempt(suite, item, instance, base, settings, script)
        good = result.passed is must_pass
        reason = result.reason if good else f"{result.reason}; the script said: {detail}"
        found.append(Check(name, Status.PASS if good else Status.FAIL, reason))
    return ItemCheck(item.id, tuple(found))


async def check_suite(
    suite: Suite,
    base: BaseImage,
    *,
    config: SandboxConfig | None = None,
    at_once: int = 2,
    progress: Callable[[ItemCheck], None] | None = None,
    items: Sequence[str] = (),
) -> tuple[ItemCheck, ...]:
    """Try every item (or the named ones); ``progress`` hears of each as it ends."""
    gate = asyncio.Semaphore(at_once)

    async def one(item: Item) -> ItemCheck:
        async with gate:
            result = await check_item(suite, item, base, config)
        if progress is not None:
            progress(result)
        return result

    chosen = [item for item in suite.items if not items or item.id in items]
    return tuple(await asyncio.gather(*(one(item) for item in chosen)))


async def _attempt(
    suite: Suite, item: Item, instance: Instance, base: BaseImage, config: SandboxConfig, script: str
) -> tuple[Score, str]:
    """Run a script in the model's place; its last line of output is the answer."""
    sandbox = await Sandbox.start(config, base)
    try:
        box = SandboxBox(sandbox)
        await prepare(box, suite, item, instance)
        answer, detail = "", ""
        if script:
            source = f"cd {HOME}\n{script}".encode()
            ran = await box.run(["/bin/bash", "-s"], user=AGENT, seconds=SOLUTION_SECONDS, stdin=source)
            lines = ran.stdout.strip().splitlines()
            answer = lines[-1] if lines else ""
            detail = _FLAG.sub("slw{...}", (ran.stdout[-300:] + ran.stderr[-300:]).strip())
        return await score(box, item, instance, answer), detail
    finally:
        await sandbox.stop()
