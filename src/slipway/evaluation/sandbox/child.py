"""Runs one host process for asyncio, bounded in time and output.

Not :mod:`asyncio.subprocess`: its ``wait`` may hang on a pipe that a background child of the command keeps
open, and it has no bound on output.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from slipway.evaluation.sandbox.errors import OutputLimitExceeded

_CHUNK = 1 << 18
_PIPE = 1 << 20
_GRACE = 0.25  # seconds to wait for the end of the output after the command itself has ended


@dataclass(frozen=True, slots=True)
class Finished:
    """How a process ended, with its raw output."""

    returncode: int
    stdout: bytes
    stderr: bytes


class _Stream:
    """Reads one pipe into a buffer; after :meth:`discard` throws away what still comes."""

    def __init__(self, fd: int, limit: int, on_change: Callable[[], None]) -> None:
        self.fd = fd
        self.data = bytearray()
        self.ended = False
        self.over = False
        self._limit = limit
        self._on_change = on_change
        self._keep = True
        os.set_blocking(fd, False)
        # Fewer wake-ups per MiB; refused for pipes beyond the user's share, which is no fault.
        with contextlib.suppress(OSError):
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE)
        asyncio.get_running_loop().add_reader(fd, self._readable)

    def _readable(self) -> None:
        try:
            chunk = os.read(self.fd, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self.close()
        elif self._keep:
            self.data += chunk
            if len(self.data) > self._limit:
                self.over = True
                self._keep = False
                del self.data[self._limit :]
                self._on_change()

    def discard(self) -> None:
        """Keep nothing more. A background child may write on without a broken pipe."""
        self._keep = False

    def close(self) -> None:
        """Stop reading and close the pipe; may be called again."""
        if not self.ended:
            self.ended = True
            asyncio.get_running_loop().remove_reader(self.fd)
            os.close(self.fd)
            self._on_change()


class _Feeder:
    """Writes input into the process's standard input, then closes it."""

    def __init__(self, fd: int, data: bytes) -> None:
        self._fd, self._rest, self._open = fd, memoryview(data), True
        os.set_blocking(fd, False)
        with contextlib.suppress(OSError):
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE)
        asyncio.get_running_loop().add_writer(fd, self._writable)
        self._writable()

    def _writable(self) -> None:
        try:
            if self._rest:
                self._rest = self._rest[os.write(self._fd, self._rest[:_PIPE]) :]
        except BlockingIOError:
            return
        except OSError:  # the command closed its input: as in a shell, that is its own affair
            self._rest = self._rest[:0]
        if not self._rest:
            self.close()

    def close(self) -> None:
        if self._open:
            self._open = False
            asyncio.get_running_loop().remove_writer(self._fd)
            os.close(self._fd)


class Child:
    """One running process with its pipes. Made inside a running event loop."""

    def __init__(self, argv: Sequence[str], data: bytes | None, limit: int, pass_fds: Sequence[int]) -> None:
        self._changed = asyncio.Event()
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL if data is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            pass_fds=tuple(pass_fds),
            start_new_session=True,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        )
        # The pipe objects would close descriptors that belong to the streams, so take copies.
        pipes = [self._process.stdout, self._process.stderr]
        self._streams = [_Stream(os.dup(pipe.fileno()), limit, self._changed.set) for pipe in pipes if pipe]
        for pipe in pipes:
            if pipe:
                pipe.close()
        self._feeder: _Feeder | None = None
        if self._process.stdin is not None and data is not None:
            self._feeder = _Feeder(os.dup(self._process.stdin.fileno()), data)
            self._process.stdin.close()
        self._limit = limit
        self._exited = False
        self._pidfd = os.pidfd_open(self._process.pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._reap)

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._process.wait()
        self._exited = True
        self._changed.set()

    async def _until(self, done: Callable[[], bool]) -> None:
        while not done():
            self._changed.clear()
            await self._changed.wait()

    def _over(self) -> bool:
        return any(stream.over for stream in self._streams)

    async def finish(self) -> Finished:
        """Wait for the end; raises :class:`OutputLimitExceeded` as soon as a stream holds too much."""
        await self._until(lambda: self._exited or self._over())
        if not self._over():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GRACE):
                    await self._until(lambda: self._over() or all(stream.ended for stream in self._streams))
        out, err = (bytes(stream.data) for stream in self._streams)
        if self._over():
            raise OutputLimitExceeded(self._limit, out or err)
        for stream in self._streams:
            stream.discard()
        return Finished(self._process.returncode, out, err)

    async def killed(self) -> None:
        """Kill the process itself and wait until it is gone; its children are the caller's to kill."""
        if not self._exited:
            self._process.kill()
        await self._until(lambda: self._exited)
        self.close()

    def close(self) -> None:
        """Close every pipe; may be called again."""
        for stream in self._streams:
            stream.close()
        self.close_input()

    def close_input(self) -> None:
        """Close the standard input, fed to its end or not."""
        if self._feeder is not None:
            self._feeder.close()

    @property
    def open(self) -> bool:
        """True while a pipe is held open, for example by a background child of the command."""
        return not all(stream.ended for stream in self._streams)
