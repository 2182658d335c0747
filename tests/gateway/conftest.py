from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.rig import Process, Site, Upstream


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    server = Upstream()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(Path(tmp_path_factory.mktemp("site")) / "data")


@pytest.fixture(scope="module")
def gateway(site: Site) -> Iterator[Process]:
    """One gateway for a module's tests; each test makes grants and keys of its own."""
    process = Process(site)
    yield process
    assert process.stop() == 0, process.log.read_text()


@pytest.fixture(scope="module")
def endpoint(site: Site, upstream: Upstream) -> str:
    return site.endpoint(upstream.url, timeout_seconds=2)
