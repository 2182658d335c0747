"""The bundle's container: a zip of one canonical form, written and read strictly. Standard library only.

Members are stored (not compressed), sorted by name, with fixed times and
modes, so the same content is always the same bytes. Reading refuses whatever
could hide something or hurt the reader, each with its reason, and in the end
anything that is not byte for byte what writing the same members would give.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping

from slipway.evidence.reasons import EvidenceError, Reason

FORMAT = "slipway-bundle/1"
MAX_MEMBERS = 60_000  # below the 65,535 of a zip without zip64
MAX_MEMBER = 64 * 1024 * 1024
MAX_TOTAL = 512 * 1024 * 1024
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*){0,4}", re.ASCII)
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_DATE = 0x21  # 1980-01-01, the first day of the zip calendar
_UNIX = 3 << 8 | 20
_MODE = 0o100644 << 16
_DIRECTORY, _SYMLINK = 0o040000, 0o120000


def check_name(name: str) -> None:
    """Refuse absolute, parent and otherwise unusual member names."""
    if not _NAME.fullmatch(name) or len(name) > 200:
        raise EvidenceError(Reason.ZIP_PATH, f"member name {name[:80]!r} is not a plain relative path")


def pack(members: Mapping[str, bytes]) -> bytes:
    """Return the one zip that holds these members; refuse what :func:`unpack` would refuse."""
    if len(members) > MAX_MEMBERS or sum(map(len, members.values())) > MAX_TOTAL:
        raise EvidenceError(Reason.ZIP_LIMIT, "too many members or too many bytes for one bundle")
    body, directory, offset = [], [], 0
    for name in sorted(members):
        check_name(name)
        data, raw = members[name], name.encode("ascii")
        if len(data) > MAX_MEMBER:
            raise EvidenceError(Reason.ZIP_LIMIT, f"{name} has {len(data)} bytes, over {MAX_MEMBER}")
        crc = zlib.crc32(data)
        local = _LOCAL.pack(b"PK\3\4", 20, 0, 0, 0, _DATE, crc, len(data), len(data), len(raw), 0)
        central = _CENTRAL.pack(
            b"PK\1\2",
            _UNIX,
            20,
            0,
            0,
            0,
            _DATE,
            crc,
            len(data),
            len(data),
            len(raw),
            0,
            0,
            0,
            0,
            _MODE,
            offset,
        )
        body += [local, raw, data]
        directory += [central, raw]
        offset += len(local) + len(raw) + len(data)
    size = sum(map(len, directory))
    end = _END.pack(b"PK\5\6", 0, 0, len(members), len(members), size, offset, 0)
    return b"".join([*body, *directory, end])


def unpack(data: bytes) -> dict[str, bytes]:
    """Return the members of a bundle; raise :class:`EvidenceError` with a named reason."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            _check_directory(infos)
            members = {info.filename: archive.read(info) for info in infos}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OSError) as error:
        raise EvidenceError(Reason.ZIP_SYNTAX, f"not a readable zip: {error}") from None
    except (struct.error, zlib.error, UnicodeDecodeError, OverflowError) as error:
        raise EvidenceError(Reason.ZIP_SYNTAX, f"not a readable zip: {error}") from None
    if pack(members) != data:
        raise EvidenceError(
            Reason.ZIP_SYNTAX, "the zip is not in its one form (order, times, extra bytes): it was rebuilt"
        )
    return members


def _check_directory(infos: list[zipfile.ZipInfo]) -> None:
    """Check the central directory before a single member is read."""
    if len(infos) > MAX_MEMBERS:
        raise EvidenceError(Reason.ZIP_LIMIT, f"{len(infos)} members, over {MAX_MEMBERS}")
    seen: set[str] = set()
    total = 0
    for info in infos:
        kind = (info.external_attr >> 16) & 0o170000
        if kind == _SYMLINK:
            raise EvidenceError(Reason.ZIP_LINK, f"{info.filename[:80]!r} is a link")
        if info.filename in seen:
            raise EvidenceError(Reason.ZIP_DUPLICATE, f"two members are named {info.filename[:80]!r}")
        seen.add(info.filename)
        check_name(info.orig_filename)
        if kind == _DIRECTORY or info.is_dir():
            raise EvidenceError(Reason.ZIP_PATH, f"{info.filename[:80]!r} is a folder")
        total += info.file_size
        if info.file_size > MAX_MEMBER or total > MAX_TOTAL:
            raise EvidenceError(Reason.ZIP_LIMIT, f"{info.filename} inflates past the limit")
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise EvidenceError(Reason.ZIP_COMPRESSED, f"{info.filename} is compressed; bundles are stored")
