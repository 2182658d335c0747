"""Base images: address by content, import and export for an air gap, hostile tars, races."""

from __future__ import annotations

import io
import os
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from slipway.base.errors import InvalidInput
from slipway.evaluation.sandbox import BaseImage, ImageUnavailable, Sandbox, SandboxConfig
from slipway.evaluation.sandbox import base_image as images

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="unpacking with owners needs root: run with sudo")


def tar_of(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for member, data in members:
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mode = kind, link, mode
    return member


SHELL = (entry("./bin/sh", mode=0o755), b"#!")
USERS = (entry("./etc/passwd"), b"root:x:0:0::/root:/bin/sh\nagent:x:1000:1000::/home/agent:/bin/sh\n")


@ROOT
def test_a_tar_is_imported_once_and_addressed_by_content(tmp_path: Path) -> None:
    suid = (entry("./usr/bin/su", mode=0o4755), b"su")
    link = (entry("./lib", tarfile.SYMTYPE, "/usr/lib"), b"")
    tar = tar_of(tmp_path / "a.tar", SHELL, USERS, suid, link)
    image = images.import_tar(tmp_path / "images", tar)
    assert images.import_tar(tmp_path / "images", tar) == image
    assert images.find(tmp_path / "images", image.digest) == image
    assert images.installed(tmp_path / "images") == [image]
    assert (image.rootfs / "usr/bin/su").stat().st_mode & 0o7777 == 0o4755
    assert images.verify(image)
    assert images.ensure(tmp_path / "images") == image  # what was imported is what runs use from now on
    (image.rootfs / "usr/bin/su").chmod(0o755)
    assert not images.verify(image)
    other = tar_of(tmp_path / "b.tar", SHELL, USERS, (entry("./usr/bin/su", mode=0o4755), b"SU"), link)
    assert images.import_tar(tmp_path / "images", other).digest != image.digest


@ROOT
@pytest.mark.parametrize(
    "members",
    [
        [(entry("../outside"), b"x")],
        [(entry("./a", tarfile.SYMTYPE, "../../.."), b""), (entry("./a/outside"), b"x")],
        [(entry("./dev/mem", tarfile.CHRTYPE), b"")],
        [(entry("./pipe", tarfile.FIFOTYPE), b"")],
        [(entry("./link", tarfile.LNKTYPE, "../" * 20 + "etc/hostname"), b"")],
    ],
    ids=["dots", "through-a-link", "device", "fifo", "hard-link-out"],
)
def test_hostile_tars_are_refused_whole(tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    tar = tar_of(tmp_path / "bad.tar", SHELL, USERS, *members)
    with pytest.raises(InvalidInput):
        images.import_tar(tmp_path / "images", tar)
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["lock"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.tar", "images"]


@ROOT
def test_wrong_digest_no_shell_and_no_tar_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="has the digest"):
        images.import_tar(tmp_path / "images", tar_of(tmp_path / "a.tar", SHELL, USERS), digest="0" * 64)
    with pytest.raises(InvalidInput, match="holds no /bin/sh"):
        images.import_tar(tmp_path / "images", tar_of(tmp_path / "b.tar", (entry("./x"), b"")))
    with pytest.raises(InvalidInput, match="has no user 'agent'"):
        images.import_tar(tmp_path / "images", tar_of(tmp_path / "d.tar", SHELL))
    (tmp_path / "c.tar").write_text("not a tar")
    with pytest.raises(InvalidInput, match="cannot be unpacked"):
        images.import_tar(tmp_path / "images", tmp_path / "c.tar")
    with pytest.raises(InvalidInput, match="cannot be unpacked"):
        images.import_tar(tmp_path / "images", tmp_path / "missing.tar")
    assert images.installed(tmp_path / "images") == []


def test_digests_that_are_none_find_nothing(tmp_path: Path) -> None:
    assert images.find(tmp_path, "../../etc") is None
    assert images.find(tmp_path, "0" * 64) is None


@ROOT
def test_what_a_crash_left_goes_with_the_next_import(tmp_path: Path) -> None:
    (tmp_path / "images" / "partial-abc" / "rootfs").mkdir(parents=True)
    images.import_tar(tmp_path / "images", tar_of(tmp_path / "a.tar", SHELL, USERS))
    assert not list((tmp_path / "images").glob("partial-*"))


def test_without_mmdebstrap_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(ImageUnavailable, match="apt-get install mmdebstrap, or"):
        images.ensure(tmp_path / "images")
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["lock"]


@ROOT
def test_two_at_once_build_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []

    def build(root: Path, packages: object) -> None:
        built.append(root)
        (root / "bin").mkdir(parents=True)
        (root / "bin/sh").write_text("#!")

    monkeypatch.setattr(images, "_build", build)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: images.ensure(tmp_path / "images"), range(4)))
    assert len(built) == 1
    assert len({image.digest for image in found}) == 1


@pytest.mark.sandbox
@pytest.mark.anyio
async def test_the_built_image_has_what_the_items_need(box: Sandbox, base_image: BaseImage) -> None:
    done = await box.exec(
        ["sh", "-c", "which tcc make file sudo python3 ps bash xxd grep sed find awk || true"]
    )
    assert len(done.stdout.split()) >= 11
    script = "printf '#include <stdio.h>\\nint main(void){puts(\"hi\");}\\n' > a.c && tcc a.c -o a && ./a"
    assert (await box.exec(["sh", "-c", script])).stdout == "hi\n"
    assert (await box.exec(["python3", "-c", "import json, ctypes, sqlite3, hashlib"])).returncode == 0
    leaks = await box.exec(
        ["sh", "-c", "cat /etc/apt/sources.list /etc/apt/*/* /etc/resolv.conf 2>/dev/null"]
    )
    assert leaks.stdout == ""
    assert any(name.startswith("tcc ") for name in base_image.packages)


@pytest.mark.sandbox
@pytest.mark.anyio
async def test_export_and_import_keep_the_digest_and_run(
    base_image: BaseImage, tmp_path: Path, anyio_backend: str
) -> None:
    tar = tmp_path / "image.tar"
    images.export_tar(base_image, tar)
    again = images.import_tar(tmp_path / "images", tar, digest=base_image.digest)
    assert again.packages == base_image.packages
    async with await Sandbox.start(SandboxConfig(), again) as box:
        assert (await box.exec(["sh", "-c", "sudo -V | head -c 4"])).stdout == "Sudo"
