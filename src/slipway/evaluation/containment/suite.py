"""Runs the attempts on a sandbox and judges them from the host."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
import socket
import time
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from slipway.base.errors import SlipwayError
from slipway.base.results import Check, Status
from slipway.evaluation.containment import attempts
from slipway.evaluation.containment.attempts import bombs, run
from slipway.evaluation.containment.canary import Canary
from slipway.evaluation.containment.report import ContainmentReport, PositiveControl
from slipway.evaluation.sandbox import BaseImage, Opening, Sandbox, SandboxConfig, inside, reaper, tier
from slipway.evaluation.sandbox.slots import STATE

_SECONDS = 120
_PROGRAM = "/opt/slipway-attempts.pyz"
INSIDE = tuple(sorted(run.ATTEMPTS, key=lambda name: run.ATTEMPTS[name].__module__ == bombs.__name__))
"""Attempts made inside the sandbox, as root there; the bombs last."""
FROM_HOST = ("link-read-back", "outliving-a-time-out", "state-of-host", "removal")
"""Attempts that the host judges."""
NAMES = (*INSIDE, *FROM_HOST)

HOLES: dict[Opening, tuple[str, ...]] = {
    Opening.HOST_NETWORK: ("tcp-to-host", "udp-to-host", "abstract-socket-of-host"),
    Opening.HOST_FILES: ("files-of-host", "pathname-socket-of-host"),
    Opening.HOST_PROCESSES: ("processes-of-host",),
    Opening.NO_SECCOMP: ("keyrings", "foreign-system-calls", "confinement"),
    Opening.ALL_CAPABILITIES: ("confinement",),
    Opening.NO_LIMITS: ("fork-bomb", "memory-bomb"),
    Opening.WRITABLE_PROC: ("kernel-secrets",),
}
"""For each hole that can be cut, the probes that must see it."""
_TOGETHER = ("mounts",)  # seen only where both the filter and the capabilities are open


def program() -> bytes:
    """Return the attempts as a zip that Python runs, made from this package's ``attempts`` folder."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("__main__.py", "from attempts.run import main\n\nmain()\n")
        for part in resources.files(attempts).iterdir():
            if part.name.endswith(".py"):
                archive.writestr(f"attempts/{part.name}", part.read_bytes())
    return packed.getvalue()


async def attempt_all(box: Sandbox, canary: Canary, names: Sequence[str] = INSIDE) -> list[Check]:
    """Make the attempts inside ``box``; one check each, *not checked* when an attempt gave no answer."""
    config = box.config
    told = {**canary.told(), "outside": _resolvers()}
    told |= {"pids": config.pids, "memory_mb": config.memory_mb, "disk_mb": config.disk_mb}
    try:
        await box.write_file(_PROGRAM, program(), user="root")
        done = await box.exec(
            ["python3", "-I", _PROGRAM, *names],
            input=json.dumps(told),
            cwd="/",
            user="root",
            timeout=_SECONDS,
        )
        text, trouble = done.stdout, f"ended with {done.returncode}: {done.stderr.strip()[-300:]}"
    except (SlipwayError, TimeoutError, OSError) as error:
        text, trouble = "", str(error)
    answers: dict[str, dict[str, Any]] = {}
    for line in text.splitlines():
        try:
            answer = json.loads(line)
            answers[answer["name"]] = answer
        except (ValueError, KeyError, TypeError):
            continue
    return [_check(name, answers.get(name), trouble) for name in names]


def _check(name: str, answer: dict[str, Any] | None, trouble: str) -> Check:
    """Judge one answer. Only a plain "held" passes: no answer, or a broken attempt, is no pass."""
    if answer is None:
        return Check(name, Status.NOT_CHECKED, f"no answer from the sandbox ({trouble})")
    detail = str(answer.get("detail", ""))[:500]
    if answer.get("out") is False:
        return Check(name, Status.PASS, detail)
    return Check(name, Status.FAIL if answer.get("out") is True else Status.NOT_CHECKED, detail)


def _resolvers() -> list[str]:
    """Return the host's name servers: a sandbox must have no route to them either."""
    path = Path("/etc/resolv.conf")
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return [
        at for at in re.findall(r"^nameserver\s+([0-9a-fA-F.:]+)\s*$", text, re.MULTILINE) if at[:4] != "127."
    ]


async def _link_read_back(box: Sandbox, canary: Canary) -> Check:
    """Reading a file that the sandbox replaced by a link must not read the host's."""
    name = "link-read-back"
    script = 'ln -sfn "$1" /tmp/link; ln -sfn "/proc/1/root/../../..$1" /tmp/twisted; ln -sfn / /tmp/root'
    await box.exec(["sh", "-c", script, "sh", canary.token_file], user="root", timeout=10)
    for path in ("/tmp/link", "/tmp/twisted", f"/tmp/root{canary.token_file}"):  # noqa: S108 -- inside
        got = b""
        with contextlib.suppress(OSError):
            got = await box.read_file(path, text=False, user="root")
        with contextlib.suppress(OSError):
            got += inside.read_small(box.root_descriptor, path)
        if canary.token.encode() in got:
            return Check(name, Status.FAIL, f"reading {path} gave a file of the host")
    return Check(name, Status.PASS, "links lead nowhere outside")


async def _outliving(box: Sandbox) -> Check:
    """A command that detaches itself must end with its time-out."""
    name = "outliving-a-time-out"
    script = "trap '' TERM HUP INT; (setsid sh -c 'while :; do sleep 987; done' &); sleep 987"
    with contextlib.suppress(TimeoutError):
        await box.exec(["sh", "-c", script], timeout=0.3)
    done = await box.exec(["ps", "-eo", "args"], user="root", timeout=10)
    if "sleep 987" in done.stdout or done.returncode != 0:
        return Check(name, Status.FAIL, "a process lives on after its command's time-out")
    return Check(name, Status.PASS, "all of it was killed")


def _state() -> tuple[str, ...]:
    """Return what attempts would have changed on the host."""
    paths = ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/net/ipv4/ip_forward")
    values = [Path(path).read_text() if Path(path).exists() else "" for path in paths]
    return (socket.gethostname(), *values, *sorted(name for _, name in socket.if_nameindex()))


async def _removal(box: Sandbox) -> Check:
    """Stopping must leave no process, cgroup or directory."""
    try:
        await box.stop()
    except SlipwayError as error:
        return Check("removal", Status.FAIL, error.message)
    if box.name in reaper.reap(remove=False).stuck or (STATE / box.name).is_dir():
        return Check("removal", Status.FAIL, "something is left")
    return Check("removal", Status.PASS, "nothing is left")


async def examine(config: SandboxConfig, base: BaseImage, canary: Canary) -> list[Check]:
    """Start a sandbox with ``config`` and make every attempt on it."""
    before = _state()
    box = await Sandbox.start(config, base, as_control=bool(config.openings))
    try:
        found = await attempt_all(box, canary)
        found.append(await _link_read_back(box, canary))
        found.append(await _outliving(box))
        after = _state()
    except BaseException:
        await asyncio.shield(box.stop())
        raise
    held = before == after
    found.append(
        Check("state-of-host", Status.PASS if held else Status.FAIL, "unchanged" if held else "changed")
    )
    found.append(await _removal(box))
    return found


async def positive_control(config: SandboxConfig, base: BaseImage) -> PositiveControl:
    """Make the attempts on a sandbox with every hole cut; the suite must see each of them."""
    holes = tuple(sorted(HOLES))
    expected = tuple(dict.fromkeys([*(name for hole in holes for name in HOLES[hole]), *_TOGETHER]))
    opened = SandboxConfig(
        user=config.user,
        workdir=config.workdir,
        memory_mb=64,
        pids=32,
        disk_mb=16,
        openings=frozenset(holes),
    )
    try:
        with Canary() as canary:
            box = await Sandbox.start(opened, base, as_control=True)
            async with box:
                found = await attempt_all(box, canary, expected)
    except SlipwayError as error:
        return PositiveControl(tuple(map(str, holes)), expected, expected, error.message)
    missed = tuple(check.name for check in found if check.status is not Status.FAIL)
    return PositiveControl(tuple(map(str, holes)), expected, missed)


def _bounded(config: SandboxConfig) -> SandboxConfig:
    """Return ``config`` with limits that the bombs may hit on any host: the mechanism is the same.

    A bomb against 64 GiB would take the host's memory before it met its limit.
    """
    return replace(
        config,
        memory_mb=min(config.memory_mb, 1024),
        pids=min(config.pids, 1024),
        disk_mb=min(config.disk_mb, 512),
    )


async def preflight_async(config: SandboxConfig, base: BaseImage) -> ContainmentReport:
    """Show containment for ``config`` on ``base``; see :func:`preflight`."""
    began = time.monotonic()
    config = _bounded(config)
    with Canary() as canary:
        try:
            probes = await examine(config, base, canary)
        except SlipwayError as error:
            # A sandbox that does not start holds, but nothing was shown.
            probes = [Check(name, Status.NOT_CHECKED, error.message) for name in NAMES]
        hits = list(canary.hits)
    reason = f"{len(hits)} arrived: {', '.join(hits[:3])}" if hits else "0 packets"
    probes.append(Check("canary", Status.FAIL if hits else Status.PASS, reason))
    control = await positive_control(config, base)
    return ContainmentReport(
        tier=tier().tier,
        probes=tuple(probes),
        positive_control=control,
        canary_hits=len(hits),
        milliseconds=round((time.monotonic() - began) * 1000),
        image=base.digest,
        config=config.as_dict(),
    )


def preflight(config: SandboxConfig, base: BaseImage) -> ContainmentReport:
    """Make every escape and egress attempt on a sandbox like the run's, and the positive control.

    Takes a few seconds. The report says whether a run may start; :meth:`ContainmentReport.require` raises
    when not. Call it where no event loop runs, else await :func:`preflight_async`.
    """
    return asyncio.run(preflight_async(config, base))
