"""What a sandbox must not reach: listeners, a file and a marked process on the host, and a count of hits."""

from __future__ import annotations

import re
import secrets
import selectors
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any


def host_addresses() -> tuple[list[str], list[str]]:
    """Return the host's IPv4 and IPv6 addresses, loopback first, link-local ones left out."""
    trie = Path("/proc/net/fib_trie").read_text(encoding="ascii")
    local = re.findall(r"\|-- (\S+)\n\s+/32 host LOCAL", trie)
    table = Path("/proc/net/if_inet6")
    lines = table.read_text(encoding="ascii").splitlines() if table.exists() else []
    sixes = [str(socket.inet_ntop(socket.AF_INET6, bytes.fromhex(line.split()[0]))) for line in lines]
    return sorted(set(local)), sorted({address for address in sixes if not address.startswith("fe80:")})


class Canary:
    """Listens on the host while attempts run. A context manager; :attr:`hits` says who came."""

    def __init__(self) -> None:
        self.token = secrets.token_hex(16)
        self.hits: list[str] = []
        self._selector = selectors.DefaultSelector()
        self._sockets: list[socket.socket] = []
        self._folder = Path(tempfile.mkdtemp(prefix="slipway-canary-", dir="/var/tmp"))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="containment canary", daemon=True)

    def __enter__(self) -> Canary:
        try:
            self._folder.chmod(0o755)
            (self._folder / "token").write_text(self.token, encoding="ascii")
            self._tcp = self._listen(socket.SOCK_STREAM)
            self._udp = self._listen(socket.SOCK_DGRAM)
            for name in ("\0" + self._abstract, str(self._folder / "socket")):
                sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self._keep(sock)
                sock.bind(name)
                sock.listen(16)
            (self._folder / "socket").chmod(0o666)
            # Reads its standard input, so that it ends with this process whatever happens.
            self._mark = subprocess.Popen(
                ["/bin/sh", "-c", "read line", "slipway-mark", self.token], stdin=subprocess.PIPE
            )
        except BaseException:
            self._clear()
            raise
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        if self._mark.stdin is not None:
            self._mark.stdin.close()
        self._mark.wait()
        self._clear()

    def _clear(self) -> None:
        for sock in self._sockets:
            sock.close()
        self._selector.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _abstract(self) -> str:
        return f"slipway-canary-{self.token[:12]}"

    def told(self) -> dict[str, Any]:
        """Return where the canary is, for the attempts."""
        fours, sixes = host_addresses()
        return {
            "token": self.token,
            "v4": fours,
            "v6": sixes,
            "tcp_port": self._tcp,
            "udp_port": self._udp,
            "abstract": self._abstract,
            "pathname": str(self._folder / "socket"),
            "file": str(self._folder / "token"),
        }

    @property
    def token_file(self) -> str:
        """A file of the host that everybody on the host may read."""
        return str(self._folder / "token")

    def _keep(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sockets.append(sock)
        self._selector.register(sock, selectors.EVENT_READ)

    def _listen(self, kind: int) -> int:
        """Listen on every address, IPv6 and IPv4 in one socket where the host has both."""
        family, address = socket.AF_INET, "0.0.0.0"  # noqa: S104 -- a canary must hear everything
        if socket.has_dualstack_ipv6():
            family, address = socket.AF_INET6, "::"
        sock = socket.socket(family, kind)
        self._keep(sock)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((address, 0))
        if kind == socket.SOCK_STREAM:
            sock.listen(16)
        return int(sock.getsockname()[1])

    def _serve(self) -> None:
        while not self._stopping.is_set():
            for key, _ in self._selector.select(0.05):
                sock = key.fileobj
                if isinstance(sock, socket.socket):
                    self._answer(sock)

    def _answer(self, sock: socket.socket) -> None:
        answer = self.token.encode()
        try:
            if sock.type == socket.SOCK_DGRAM:
                _, source = sock.recvfrom(2048)
                self.hits.append(f"datagram from {source[0]}")
                sock.sendto(answer, source)
                return
            connection, source = sock.accept()
            self.hits.append(f"connection from {source[0] if source else 'a local socket'}")
            with connection:
                connection.sendall(answer)
        except OSError:
            # The visitor is gone already; that it came is what counts.
            return
