"""The processes of the demo: the site, the reference model, and one-off commands of slipway."""

from __future__ import annotations

import ctypes
import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import slipway
from slipway.base.errors import Exit, InvalidInput, Problem, SlipwayError, Unavailable
from slipway.cli.demo.tell import Teller

READY_SECONDS = 120.0
_LIBC = ctypes.CDLL(None, use_errno=True)


class StepFailed(SlipwayError):
    """A command of the demo did not do what it should; carries the command's own exit code."""

    code = "demo.step_failed"

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = Exit(exit_code) if exit_code in set(Exit) else Exit.INTERNAL


def _end_with_parent() -> None:
    _LIBC.prctl(1, signal.SIGTERM, 0, 0, 0)  # PR_SET_PDEATHSIG: nothing is left when the demo is killed


def free_port(wanted: int) -> int:
    """Return ``wanted`` when it is free on 127.0.0.1, else any free port."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Unavailable("no free port on 127.0.0.1")


def example(name: str) -> Path:
    """Return an example's file: from the wheel, or from the folder beside ``src`` in a working copy."""
    package = Path(slipway.__file__).resolve().parent
    for folder in (package / "_examples", package.parent.parent / "examples"):
        if (folder / name).is_file():
            return folder / name
    fix = "install slipway again, or name a model of your own with --model URL"
    raise InvalidInput([Problem("examples", f"{name} is not part of this installation", fix)])


@dataclass(frozen=True, slots=True)
class Model:
    """An OpenAI-compatible endpoint: its address, the variable with its key, its name there."""

    base_url: str
    api_key_env: str
    name: str


@dataclass(slots=True)
class Stage:
    """Everything that runs for the demo; :meth:`clear` ends all of it."""

    data: Path
    tell: Teller
    environment: dict[str, str] = field(default_factory=dict)
    _running: list[subprocess.Popen[str]] = field(default_factory=list)

    def run(
        self, words: Sequence[str], *, who: str = "", extra: dict[str, str] | None = None,
        text: str | None = None, watch: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        """Run one ``slipway … --json`` to its end and return the object it printed.

        ``extra`` are variables for it alone (tokens and keys), ``text`` its
        stdin. ``watch`` lets its progress through to our stderr.
        """
        self.tell.command(list(words), who)
        process = self._start(
            [sys.executable, "-m", "slipway", *words, "--json"], extra or {},
            stdin=subprocess.PIPE if text is not None else subprocess.DEVNULL,
            stderr=None if watch else subprocess.PIPE,
        )  # fmt: skip
        out, errors = process.communicate(text)
        self._running.remove(process)
        if process.returncode:
            told = _last_object(out) or {}
            failed = told.get("error") or {}
            reason = (errors or "").strip() or failed.get("title") or told.get("reason") or "see above"
            raise StepFailed(f"`slipway {' '.join(words)}` failed: {reason}", process.returncode)
        answer = _last_object(out)
        if answer is None:
            raise StepFailed(
                f"`slipway {' '.join(words)}` printed no JSON: {out[:300]!r}", int(Exit.INTERNAL)
            )
        return answer

    def site(self, desk_port: int, gateway_port: int) -> dict[str, str]:
        """Start desk and gateway by ``slipway up``; return their addresses once both answer."""
        ports = ["--desk-port", str(desk_port), "--gateway-port", str(gateway_port)]
        words = ["up", "--data", str(self.data), *ports]
        self.tell.command(words, "")
        process = self._start([sys.executable, "-m", "slipway", *words, "--json"], {}, stderr=None)
        line = _first_line(process, READY_SECONDS)
        # A refusal is one JSON object too; its reason went to stderr already.
        answer = _last_object(line or "") or {}
        if "addresses" not in answer:
            raise StepFailed(f"the site did not start; see {self.data / 'log'}", process.poll() or 5)
        addresses: dict[str, str] = answer["addresses"]
        return addresses

    def in_background(self, words: Sequence[str]) -> None:
        """Start one ``slipway …`` whose end nobody waits for here; it is ended with the rest."""
        self._start([sys.executable, "-m", "slipway", *words], {}, stdout=subprocess.DEVNULL, stderr=None)

    def reference_model(self, *, skill: int, seed: int) -> Model:
        """Start the reference model of the examples and return where it is."""
        port = free_port(8009)
        secret = "sk-demo-" + secrets.token_hex(12)
        self.environment["SLIPWAY_DEMO_MODEL_KEY"] = secret
        command = [
            sys.executable, str(example("reference_model.py")), "--port", str(port),
            "--api-key", secret, "--skill", str(skill), "--seed", str(seed),
        ]  # fmt: skip
        with (self.data / "reference-model.log").open("w") as log:
            process = self._start(command, {}, stdout=log, stderr=log)
        base_url = f"http://127.0.0.1:{port}/v1"
        deadline = time.monotonic() + 30
        while not _answers(f"{base_url}/models"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Unavailable(
                    f"the reference model did not start; see {self.data / 'reference-model.log'}"
                )
            time.sleep(0.05)
        return Model(base_url, "SLIPWAY_DEMO_MODEL_KEY", "reference-model")

    def site_runs(self) -> bool:
        """Is the site still up?"""
        return bool(self._running) and self._running[0].poll() is None

    def clear(self) -> None:
        """End everything that was started, the last first."""
        for process in reversed(self._running):
            if process.poll() is None:
                process.terminate()
        for process in reversed(self._running):
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()

    def _start(
        self, command: list[str], extra: dict[str, str], *,
        stderr: int | IO[str] | None, stdin: int = subprocess.DEVNULL,
        stdout: int | IO[str] = subprocess.PIPE,
    ) -> subprocess.Popen[str]:  # fmt: skip
        process = subprocess.Popen(
            command,
            env=os.environ | self.environment | extra,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            text=True,
            start_new_session=True,  # Ctrl-C reaches the demo alone, which then ends these in order
            preexec_fn=_end_with_parent,
        )
        self._running.append(process)
        return process


def _last_object(text: str) -> dict[str, Any] | None:
    for line in reversed(text.splitlines()):
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            return value
    return None


def _first_line(process: subprocess.Popen[str], seconds: float) -> str | None:
    """Return the first line a process prints, None when it ends or is silent for too long."""
    out = process.stdout
    if out is None:
        return None
    ready, _, _ = select.select([out], [], [], seconds)
    line = out.readline() if ready else ""
    return line or None


def _answers(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=2):
            return True
    except urllib.error.HTTPError:
        return True  # it asks for its key, so it is there
    except OSError:
        return False
