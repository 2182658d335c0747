"""Attempts to send something out of the sandbox, or to find a way by which it could."""

from __future__ import annotations

import contextlib
import errno
import re
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .common import REFUSED, Found, Told, attempt, judge, text
from .host import roots


def _hello(family: int, address: Any, token: str) -> str:
    """Connect to the canary; who it answers has reached the host."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.settimeout(0.3)
            sock.connect(address)
            if token in sock.recv(200).decode(errors="replace"):
                return f"reached the host at {address!r}"
    except OSError:
        pass
    return ""


@attempt
def tcp_to_host(told: Told) -> Found:
    """TCP to every IPv4 address of the host."""
    where = [(address, told["tcp_port"]) for address in told["v4"]]
    return judge("no connection", *(_hello(socket.AF_INET, at, told["token"]) for at in where))


@attempt
def ipv6_to_host(told: Told) -> Found:
    """TCP and UDP to every IPv6 address of the host."""
    found = [_hello(socket.AF_INET6, (address, told["tcp_port"]), told["token"]) for address in told["v6"]]
    return judge("no connection", *found, *_datagrams(socket.AF_INET6, told["v6"], told))


def _datagrams(family: int, addresses: list[str], told: Told) -> Iterator[str]:
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.2)
        for address in addresses:
            try:
                sock.sendto(told["token"].encode(), (address, told["udp_port"]))
            except OSError:
                continue
        try:
            while True:
                data, source = sock.recvfrom(200)
                if told["token"] in data.decode(errors="replace"):
                    yield f"the host answered from {source[0]}"
        except OSError:
            return


@attempt
def udp_to_host(told: Told) -> Found:
    """UDP to every IPv4 address of the host."""
    return judge("no answer", *_datagrams(socket.AF_INET, told["v4"], told))


@attempt
def icmp_to_host(told: Told) -> Found:
    """ICMP echo by the kernel's ping socket and by a raw one."""
    found = []
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            with socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP) as sock:
                for address in told["v4"]:
                    try:
                        sock.sendto(struct.pack("!BBHHH", 8, 0, 0xF7FE, 1, 0), (address, 0))
                        found.append(f"echo request sent to {address}")
                    except OSError:
                        continue
        except OSError:
            continue
    return judge("no ICMP socket", *found)


def _routes(addresses: list[str]) -> Iterator[str]:
    """Yield addresses the kernel has a route to. Connecting a datagram socket sends no packet."""
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.connect((address, 53))
                yield f"there is a route to {address}"
        except OSError:
            continue


@attempt
def route_to_outside(told: Told) -> Found:
    """A route to addresses that nobody has (RFC 5737, RFC 3849), IPv4 and IPv6."""
    return judge("no route", *_routes(["198.51.100.7", "203.0.113.7", "2001:db8::7", *told["outside"]]))


@attempt
def route_to_metadata(told: Told) -> Found:
    """A route to the metadata addresses of cloud machines."""
    known = ["169.254.169.254", "168.63.129.16", "100.100.100.200", "fd00:ec2::254"]
    return judge("no route", *_routes(known))


@attempt
def name_resolution(told: Told) -> Found:
    """Resolve a name, and reach whatever resolver is configured."""
    found = []
    servers = re.findall(r"^nameserver\s+(\S+)", text("/etc/resolv.conf"), re.MULTILINE)
    found += list(_routes([server for server in servers if not server.startswith("127.")]))
    with contextlib.suppress(OSError):
        found.append(f"resolved to {socket.getaddrinfo('slipway-canary.invalid', 80)[0][4][0]}")
    return judge("no resolver", *found)


@attempt
def raw_sockets(told: Told) -> Found:
    """Packet sockets and raw IP sockets."""
    found = []
    for family, kind, protocol in (
        (17, socket.SOCK_RAW, 0x300),
        (2, socket.SOCK_RAW, 255),
        (10, socket.SOCK_RAW, 58),
    ):
        found += list(_socket(family, kind, protocol))
    return judge("refused", *found)


def _socket(family: int, kind: int, protocol: int) -> Iterator[str]:
    try:
        socket.socket(family, kind, protocol).close()
    except OSError:
        return
    yield f"socket({family}, {int(kind)}, {protocol}) was made"


@attempt
def other_address_families(told: Told) -> Found:
    """Families that network namespaces do not contain or that widen the kernel: vsock, alg, netlink, …"""
    found = []
    for family in (*range(3, 10), *range(11, 16), *range(18, 46)):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET, socket.SOCK_RAW):
            found += list(_socket(family, kind, 0))
    for protocol in (4, 7, 9, 12, 15, 16):
        found += list(_socket(16, socket.SOCK_RAW, protocol))
    return judge("refused", *found)


@attempt
def network_configuration(told: Told) -> Found:
    """Make a network interface by route netlink."""
    name = b"slipprobe\0"
    kind = struct.pack("HH", 9, 1) + b"dummy" + b"\0" * 3
    body = struct.pack("BxHiII", 0, 0, 0, 0, 0) + struct.pack("HH", 4 + len(name), 3) + name + b"\0\0"
    body += struct.pack("HH", 4 + len(kind), 18) + kind
    header = struct.pack("IHHII", 16 + len(body), 16, 0x605, 1, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
            sock.settimeout(1)
            sock.send(header + body)
            code = struct.unpack_from("i", sock.recv(4096), 16)[0]
    except OSError as error:
        return False, f"refused: {error.strerror}"
    if -code in REFUSED:
        return False, "refused"
    return (
        True,
        "an interface could be made" if code == 0 else f"let through: {errno.errorcode.get(-code, code)}",
    )


@attempt
def abstract_socket_of_host(told: Told) -> Found:
    """Connect to a socket of the host in the abstract namespace."""
    return judge("not there", _hello(socket.AF_UNIX, "\0" + told["abstract"], told["token"]))


@attempt
def pathname_socket_of_host(told: Told) -> Found:
    """Connect to a socket of the host in its file system, and to those of known services."""
    found = [_hello(socket.AF_UNIX, root + told["pathname"], told["token"]) for root in roots()]
    known = ["/run/docker.sock", "/run/containerd/containerd.sock", "/run/dbus/system_bus_socket"]
    known += ["/run/systemd/private", "/run/systemd/notify", "/run/crio/crio.sock", "/run/podman/podman.sock"]
    found += [f"{path} is there" for path in known if Path(path).exists()]
    return judge("not there", *found)
