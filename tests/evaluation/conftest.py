"""What the tests of the evaluation room share: one base image for all workers and runs, an event loop."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from slipway.evaluation.sandbox import BaseImage, Sandbox, SandboxConfig, tier
from slipway.evaluation.sandbox import base_image as images


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as Inspect does."""
    return "asyncio"


@pytest.fixture(scope="session")
def image_cache() -> Path:
    """Where base images are kept between runs; not a temporary directory, because building one takes 25 s."""
    return Path(os.environ.get("SLIPWAY_IMAGE_CACHE") or "/var/tmp/slipway-images")


@pytest.fixture(scope="session")
def base_image(image_cache: Path) -> BaseImage:
    """The base image, built once per machine; xdist workers wait for the one that builds (file lock)."""
    missing = tier().missing
    if missing:
        pytest.skip("no sandbox here: " + "; ".join(missing))
    return images.ensure(image_cache)


@pytest.fixture
async def box(base_image: BaseImage, anyio_backend: str) -> AsyncIterator[Sandbox]:
    """A running sandbox with the default limits."""
    async with await Sandbox.start(SandboxConfig(), base_image) as running:
        yield running
