"""Files into and out of a sandbox, with the errors that callers rely on."""

from __future__ import annotations

import asyncio

import pytest

from slipway.evaluation.sandbox import OutputLimitExceeded, Sandbox

pytestmark = [pytest.mark.anyio, pytest.mark.sandbox]


@pytest.mark.parametrize(
    "name", ["plain", "with space", "-dash", "deep/er/file", "quote'\"$x", "/tmp/abs/file"]
)
async def test_what_was_written_is_read(box: Sandbox, name: str) -> None:
    data = bytes(range(256)) * 300
    await box.write_file(name, data)
    assert await box.read_file(name, text=False) == data


async def test_text_is_utf8_and_keeps_line_ends(box: Sandbox) -> None:
    await box.write_file("text", "é\r\n漢\n")
    assert await box.read_file("text") == "é\r\n漢\n"
    await box.write_file("binary", b"\xff\xfe")
    with pytest.raises(UnicodeDecodeError):
        await box.read_file("binary")


async def test_errors_are_the_built_in_ones_and_name_the_file(box: Sandbox) -> None:
    with pytest.raises(FileNotFoundError, match="nothing-here"):
        await box.read_file("nothing-here")
    with pytest.raises(IsADirectoryError, match="/etc"):
        await box.read_file("/etc")
    with pytest.raises(IsADirectoryError):
        await box.write_file("/etc", "x")
    with pytest.raises(PermissionError, match="shadow"):
        await box.read_file("/etc/shadow")
    with pytest.raises(PermissionError):
        await box.write_file("/etc/passwd", "x")
    with pytest.raises(NotADirectoryError, match="below"):
        await box.write_file("/etc/passwd/below", "x", user="root")
    assert (await box.read_file("/etc/shadow", user="root")).startswith("root:")


async def test_reading_is_bounded_and_never_waits(box: Sandbox) -> None:
    await box.write_file("large", b"x" * 2000)
    with pytest.raises(OutputLimitExceeded):
        await box.read_file("large", limit=1999)
    assert len(await box.read_file("large", limit=2000)) == 2000
    with pytest.raises(OutputLimitExceeded):
        await box.read_file("/dev/zero", text=False, limit=100_000)
    await box.exec(["mkfifo", "pipe"])
    async with asyncio.timeout(10):
        with pytest.raises(OSError, match="not a file"):
            await box.read_file("pipe")
        with pytest.raises(OSError, match="not a file"):
            await box.write_file("pipe", "x")


async def test_a_planted_link_leads_nowhere_outside(box: Sandbox) -> None:
    await box.exec(["ln", "-s", "../../../../../../../../etc/hostname", "link"])
    assert await box.read_file("link") == "box\n"
