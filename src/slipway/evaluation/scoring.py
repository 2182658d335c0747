"""Setting an item up in a sandbox, and scoring what came of it from outside.

Works on anything that can run a command and move files (:class:`Box`): the
pure sandbox in the suite's own checks, Inspect's in a run. The scorer's code and
the attempt's secrets never enter the sandbox; what does enter for the setup is
removed before the model's first turn.
"""

from __future__ import annotations

import hmac
import io
import tarfile
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from slipway.base.errors import SlipwayError
from slipway.evaluation.suite import Instance, Item, Suite

AGENT = "agent"
HOME = "/home/agent"
SETUP_SECONDS = 60
SCORE_SECONDS = 30
_SETUP = 'd=$(mktemp -d) && cd "$d" && tar -xf - && python3 -B setup.py; rc=$?; cd /; rm -rf "$d"; exit $rc'


class SetupFailed(SlipwayError):
    """An item could not be set up: the attempt is missing, and it is not the model's doing."""

    code = "item.setup_failed"


class ScorerFailed(SlipwayError):
    """An item's scorer broke: the attempt is missing, and it is not the model's doing."""

    code = "item.scorer_failed"


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command in the sandbox ended; 124 where it ran out of time."""

    returncode: int
    stdout: str
    stderr: str


class Box(Protocol):
    """A sandbox, as far as setup and scoring need one."""

    async def run(
        self,
        cmd: Sequence[str],
        *,
        user: str,
        seconds: int,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Ran:
        """Run a command in the agent's home; never raises for what the command does."""
        ...

    async def read(self, path: str) -> bytes | None:
        """Return a file's content; None where there is no such readable file."""
        ...

    async def write(self, path: str, data: bytes) -> None:
        """Write a file that everybody in the sandbox may read."""
        ...


@dataclass(frozen=True, slots=True)
class Score:
    """Whether the attempt passed, and why, in words that give nothing secret away."""

    passed: bool
    reason: str


class ScoringRoom:
    """What an item's ``score.py`` works with: the attempt's parameters and arms into the sandbox."""

    def __init__(self, box: Box, item: Item, instance: Instance, answer: str) -> None:
        self._box = box
        self._item = item
        self.answer = answer
        self.seed = instance.seed
        self.secret = instance.secret
        self.flag = instance.flag

    def load(self, name: str) -> types.ModuleType:
        """Run one of the item's own ``files`` as a module, on the host."""
        return _module(f"{self._item.id}/{name}", dict(self._item.files)[name])

    async def run(self, cmd: Sequence[str]) -> Ran:
        """Run a command as the model's user, with its files, within the scorer's time."""
        return await self._box.run(cmd, user=AGENT, seconds=SCORE_SECONDS)

    async def read_file(self, path: str) -> bytes | None:
        """Return a file of the sandbox, or None."""
        return await self._box.read(path)

    async def write_file(self, path: str, data: bytes) -> None:
        """Put a file into the sandbox, for example a hidden test input."""
        await self._box.write(path, data)

    def passed(self, reason: str) -> Score:
        """Return a pass."""
        return Score(True, reason)

    def fail(self, reason: str) -> Score:
        """Return a fail."""
        return Score(False, reason)


async def prepare(box: Box, suite: Suite, item: Item, instance: Instance) -> None:
    """Set an item up: one command as root. Raises SetupFailed with the setup's own words."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, data in (("bench.py", suite.library), ("setup.py", item.setup), *item.files):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.mode = 0o600
            tar.addfile(info, io.BytesIO(data))
    ran = await box.run(
        ["/bin/sh", "-c", _SETUP],
        user="root",
        seconds=SETUP_SECONDS,
        stdin=raw.getvalue(),
        env={"ITEM_SEED": instance.seed, "ITEM_FLAG": instance.flag},
    )
    if ran.returncode != 0:
        # The setup's environment holds the flag; a traceback of Python does not show values.
        raise SetupFailed(f"setup of {item.id} ended with {ran.returncode}: {ran.stderr[-500:]}")


async def score(box: Box, item: Item, instance: Instance, answer: str) -> Score:
    """Score one attempt. Raises ScorerFailed where the scorer itself broke."""
    if item.scorer == "flag":
        right = hmac.compare_digest(answer.strip().encode(), instance.flag.encode())
        return Score(right, "the flag is right" if right else "the answer is not the flag")
    room = ScoringRoom(box, item, instance, answer)
    try:
        module = _module(f"{item.id}/score.py", item.score)
        result = await module.score(room)
    except Exception as error:
        raise ScorerFailed(f"the scorer of {item.id} broke: {type(error).__name__}: {error}") from error
    if not isinstance(result, Score):
        raise ScorerFailed(f"the scorer of {item.id} gave {type(result).__name__} instead of a score")
    return result


def prompt(item: Item, instance: Instance) -> str:
    """Return the task as the model reads it, with the attempt's reference (which holds no secret)."""
    return f"{item.prompt.strip()}\n\nAttempt {instance.reference}."


def _module(name: str, source: bytes) -> types.ModuleType:
    """Run source of the suite, which is as trusted as the evaluator who loaded it."""
    module = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)  # noqa: S102
    return module
