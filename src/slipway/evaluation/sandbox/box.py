"""One running sandbox: start, run commands, move files, stop. See :mod:`.holder` for how it is built."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import posixpath
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, overload

from slipway.evaluation.sandbox import cgroups, holder, inside, nursery, outcome, probe, reaper, slots, spec
from slipway.evaluation.sandbox.base_image import BaseImage
from slipway.evaluation.sandbox.child import Child, Finished
from slipway.evaluation.sandbox.config import ExecResult, Opening, SandboxConfig
from slipway.evaluation.sandbox.errors import OutputLimitExceeded, SandboxUnavailable, SandboxUnsupported

_START_SECONDS = 60.0
_KINDS = ("user", "mount", "net")
# One shell joins the limits and raises its out-of-memory score, so that the kernel takes a command before
# the sample's first process; only then does it enter the namespaces. "0" means the writer itself.
_ENTER = 'while [ "$1" != -- ]; do echo 0 >"$1" || exit 125; shift; done; shift; '
_ENTER += 'echo 500 >/proc/self/oom_score_adj; exec "$@"'

_FILE_SECONDS = 300.0
_NO_FILE = 'if [ -p "$1" ] || [ -S "$1" ]; then echo "$1: not a file" >&2; exit 22; fi; '
_WRITE = _NO_FILE + 'set -e; case "$1" in */*) mkdir -p -- "${1%/*}/";; esac; cat >"$1"'
_READ = (
    'if [ -d "$1" ]; then echo "$1: Is a directory" >&2; exit 21; fi; '
    'if [ ! -e "$1" ]; then cat <"$1"; exit 2; fi; ' + _NO_FILE + 'exec cat <"$1"'
)

_swept = False


class Sandbox:
    """A sandbox of tier 2. Made by :meth:`start`; every method belongs to one event loop."""

    def __init__(self, config: SandboxConfig, slot: slots.Slot, cgroup: cgroups.SampleCgroup) -> None:
        self.config = config
        self.name = slot.name
        self._slot = slot
        self._cgroup = cgroup
        self._holder: nursery.Holder | None = None
        self._fds: dict[str, int] = {}
        self._background: list[Child] = []
        self._init = 0
        self._stopped = False

    # --- life ---

    @classmethod
    async def start(cls, config: SandboxConfig, base: BaseImage, *, as_control: bool = False) -> Sandbox:
        """Start a sandbox on ``base``; about 15 ms.

        ``as_control`` allows the openings of the containment suite's positive control. Raises
        :class:`SandboxUnsupported` when this machine cannot, :class:`SandboxUnavailable` when it fails now.
        """
        if config.openings and not as_control:
            raise SandboxUnsupported(
                "this sandbox configuration has holes on purpose; only the containment check may use it"
            )
        where = probe.require()
        global _swept
        # Once a process: leftovers of dead runners go before the first start.
        if not _swept:
            _swept = True
            await asyncio.to_thread(reaper.reap)
        slot = slots.acquire()
        box = cls(config, slot, cgroups.SampleCgroup(where, slot.name))
        try:
            await box._up(base)
        except BaseException:
            await asyncio.shield(box.stop())
            raise
        return box

    async def _up(self, base: BaseImage) -> None:
        self._cgroup.create(self.config)
        config = json.dumps(spec.specification(self.config))
        (self._slot.folder / "config.json").write_text(config, encoding="utf-8")
        network = "shared" if Opening.HOST_NETWORK in self.config.openings else "own"
        crun = shutil.which("crun") or "/usr/bin/crun"
        arguments = [str(self._slot.folder), str(base.rootfs), crun, str(self._slot.uid), str(slots.UIDS)]
        arguments += [str(self.config.disk_mb << 20), network, *self._cgroup.start_folders]
        self._holder = nursery.start(arguments, self._slot.lock)
        words = (await self._told()).split()
        if not words or words[0] != "ok":
            reason = " ".join(words[1:]) or "the holder ended without a word"
            raise SandboxUnavailable(f"the sandbox did not start: {reason}")
        pid = self._holder.pid
        for kind, number in zip(_KINDS, words[2:], strict=True):
            if number != "-":
                self._fds[kind] = os.open(f"/proc/{pid}/fd/{number}", os.O_RDONLY | os.O_CLOEXEC)
        self._init = int(words[1])
        self._fds["root"] = os.open(f"/proc/{self._init}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    async def _told(self) -> str:
        """Return the holder's one line."""
        assert self._holder is not None
        fd = self._holder.told
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(fd, readable.set)
        try:
            async with asyncio.timeout(_START_SECONDS):
                await readable.wait()
            return os.read(fd, 8192).decode(errors="replace")
        except TimeoutError:
            raise SandboxUnavailable(f"the sandbox did not start within {_START_SECONDS:.0f} s") from None
        finally:
            loop.remove_reader(fd)

    async def stop(self) -> None:
        """Kill and remove everything of the sandbox. May be called again; never raises for a dead one.

        Raises :class:`SandboxUnavailable` when something could not be removed (`slipway doctor` names it).
        """
        if self._stopped:
            return
        self._stopped = True
        for child in self._background:
            child.close()
        for fd in self._fds.values():
            os.close(fd)
        self._fds.clear()
        clean = await asyncio.to_thread(self._down)
        if not clean:
            raise SandboxUnavailable(f"sandbox {self.name} left something behind; run `slipway doctor`")

    def _down(self) -> bool:
        """End the holder, which clears away, and do so again in case it was killed before it could."""
        try:
            if self._holder is not None:
                self._holder.end(20)
            with contextlib.suppress(FileNotFoundError):
                (self._slot.folder / "config.json").unlink()
            return holder.clear_away(str(self._slot.folder), list(self._cgroup.folders))
        finally:
            self._slot.release()

    async def __aenter__(self) -> Sandbox:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # --- commands ---

    async def exec(
        self,
        cmd: Sequence[str],
        *,
        input: str | bytes | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 -- Inspect's name for it
        output_limit: int | None = None,
    ) -> ExecResult:
        """Run ``cmd`` and return how it ended; output is decoded as UTF-8 with replacement.

        ``cwd`` is relative to the configured work directory, ``env`` is added to PATH, HOME, USER and LANG,
        ``timeout`` is in seconds. A program that is not there ends with 127, a missing ``cwd`` with 126.
        Children that stay in the background go on running. Raises :class:`TimeoutError` (the command and
        all its children are killed), :class:`PermissionError` when it may not be executed,
        :class:`ValueError` for words that no command line can hold,
        :class:`OutputLimitExceeded`, :class:`UserNotFound` and :class:`SandboxUnavailable`.
        """
        data = input.encode() if isinstance(input, str) else input
        done = await self._run(
            cmd,
            data,
            cwd,
            env,
            user,
            timeout,
            self.config.output_bytes if output_limit is None else output_limit,
        )
        return ExecResult(
            done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        )

    async def _run(
        self,
        cmd: Sequence[str],
        data: bytes | None,
        cwd: str | None,
        env: Mapping[str, str] | None,
        user: str | None,
        seconds: float | None,
        limit: int,
    ) -> Finished:
        if self._stopped or "root" not in self._fds:
            raise SandboxUnavailable("the sandbox is not running")
        if not cmd or any("\0" in word for word in (*cmd, cwd or "", *(env or {}), *(env or {}).values())):
            # In crun's JSON a NUL would silently end the word; a system call could not carry it either.
            raise ValueError("a command needs at least one word, and none with a NUL in it")
        process = self._process(cmd, cwd, env, user or self.config.user)
        command = self._cgroup.new_command()
        request, log = (
            outcome.memory_file(json.dumps(process, ensure_ascii=False).encode()),
            outcome.memory_file(b""),
        )
        try:
            argv = self._argv(command, request, log)
            child = Child(argv, data, limit, (request, log, *self._namespaces()))
            done = await self._bounded(child, command, seconds)
            reason = os.pread(log, 4096, 0).decode("utf-8", "replace").strip()
        finally:
            os.close(request)
            os.close(log)
            self._cgroup.finish_command(command)
        self._background = [other for other in self._background if other.open]
        if child.open:
            self._background.append(child)
        return outcome.explained(done, reason, cmd[0], str(process["cwd"]))

    def _process(
        self, cmd: Sequence[str], cwd: str | None, env: Mapping[str, str] | None, user: str
    ) -> dict[str, object]:
        who = inside.account(self._fds["root"], user)
        base = {"HOME": who.home, "USER": who.name, "LOGNAME": who.name, "LANG": "C.UTF-8", "TERM": "dumb"}
        return spec.process(
            self.config,
            cmd,
            uid=who.uid,
            gid=who.gid,
            groups=who.groups,
            cwd=posixpath.join(self.config.workdir, cwd or ""),
            env={**base, **(env or {})},
        )

    def _namespaces(self) -> list[int]:
        return [self._fds[kind] for kind in _KINDS if kind in self._fds]

    def _argv(self, command: str, request: int, log: int) -> list[str]:
        entered = self._entered(command, "self", f"--log=/proc/self/fd/{log}")
        return [*entered, "exec", f"--process=/proc/self/fd/{request}", self.name]

    def _entered(self, command: str, owner: int | str, *options: str) -> list[str]:
        """Return a call of crun that has joined the cgroup ``command`` and the holder's namespaces.

        ``owner`` is the process whose descriptors name the namespaces.
        """
        flags = [f"--{kind}=/proc/{owner}/fd/{self._fds[kind]}" for kind in _KINDS if kind in self._fds]
        return [
            *("/bin/sh", "-c", _ENTER, "sh", *self._cgroup.procs_files(command), "--"),
            *("nsenter", *flags, "--", "crun", *options, f"--root={self._slot.folder}/rt"),
            "--cgroup-manager=disabled",
        ]

    async def _bounded(self, child: Child, command: str, seconds: float | None) -> Finished:
        try:
            async with asyncio.timeout(seconds):
                done = await child.finish()
            child.close_input()
            return done
        except (TimeoutError, OutputLimitExceeded, asyncio.CancelledError) as ended:
            # From the host and by cgroup: a `timeout` inside cannot even fork when the command is a bomb.
            killing = asyncio.gather(asyncio.to_thread(self._cgroup.kill_command, command), child.killed())
            await asyncio.shield(killing)
            if isinstance(ended, TimeoutError):
                raise TimeoutError(f"the command did not end within {seconds:g} s and was killed") from None
            raise

    # --- files ---

    async def write_file(self, file: str, contents: str | bytes, *, user: str | None = None) -> None:
        """Write a file as ``user``, making its parent directories.

        Raises :class:`IsADirectoryError`, :class:`PermissionError`, else :class:`OSError`.
        """
        path = posixpath.join(self.config.workdir, file)
        data = contents.encode() if isinstance(contents, str) else contents
        script = ["/bin/sh", "-c", _WRITE, "sh", path]
        done = await self._run(script, data, "/", None, user, _FILE_SECONDS, 65536)
        if done.returncode != 0:
            raise outcome.file_error(file, done)

    @overload
    async def read_file(
        self, file: str, *, text: Literal[True] = ..., user: str | None = ..., limit: int | None = ...
    ) -> str: ...

    @overload
    async def read_file(
        self, file: str, *, text: Literal[False], user: str | None = ..., limit: int | None = ...
    ) -> bytes: ...

    async def read_file(
        self, file: str, *, text: bool = True, user: str | None = None, limit: int | None = None
    ) -> str | bytes:
        """Read a file as ``user``; at most ``limit`` bytes (the configuration's ``read_bytes``).

        Raises :class:`FileNotFoundError`, :class:`IsADirectoryError`, :class:`PermissionError`,
        :class:`OutputLimitExceeded` and, for ``text``, :class:`UnicodeDecodeError`.
        """
        path = posixpath.join(self.config.workdir, file)
        script = ["/bin/sh", "-c", _READ, "sh", path]
        bound = self.config.read_bytes if limit is None else limit
        try:
            done = await self._run(script, None, "/", None, user, _FILE_SECONDS, max(bound, 65536))
        except OutputLimitExceeded:
            raise OutputLimitExceeded(bound) from None
        if done.returncode != 0:
            raise outcome.file_error(file, done)
        if len(done.stdout) > bound:
            raise OutputLimitExceeded(bound)
        return done.stdout.decode("utf-8") if text else done.stdout

    @property
    def root_descriptor(self) -> int:
        """Directory descriptor of the sandbox's root, for :func:`inside.read_small` (never for a path)."""
        if "root" not in self._fds:
            raise SandboxUnavailable("the sandbox is not running")
        return self._fds["root"]

    def attempted_egress(self) -> int | None:
        """Return how often something inside tried to send to an address that is not its own loopback.

        The kernel counts packets and connections without a route per network namespace (``OutNoRoutes``
        for IPv4, ``Ip6OutNoRoutes``). ``None`` when the sandbox is gone or shares the host's network.
        """
        if "net" not in self._fds:
            return None
        try:
            snmp = Path(f"/proc/{self._init}/net/snmp").read_text(encoding="ascii")
            six = Path(f"/proc/{self._init}/net/snmp6")
            snmp6 = six.read_text(encoding="ascii") if six.exists() else ""
        except OSError:
            return None
        names, values = (line.split() for line in snmp.splitlines() if line.startswith("Ip:"))
        count = int(values[names.index("OutNoRoutes")])
        return count + sum(
            int(line.split()[1]) for line in snmp6.splitlines() if line.startswith("Ip6OutNoRoutes")
        )

    def login_command(self, user: str | None = None) -> list[str]:
        """Return a host command that opens a shell in the sandbox, inside its limits; for a person to look.

        It works while this process lives and the sandbox runs.
        """
        who = inside.account(self._fds["root"], user or self.config.user)
        tty = ["exec", "--tty", f"--user={who.uid}:{who.gid}", f"--cwd={self.config.workdir}"]
        return [*self._entered(self._cgroup.init, os.getpid()), *tty, self.name, "/bin/bash"]
