"""Inspect's own conformance checks for sandbox providers, on the ``slipway`` provider. All must pass.

The checks come from the pinned Inspect release; one that is new there runs here without a change.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from inspect_ai.util import SandboxEnvironment
from inspect_ai.util._sandbox import self_check
from inspect_ai.util._sandbox.self_check import *  # noqa: F403 -- how the module says to collect its checks

from slipway.evaluation.inspect_bridge import SlipwayConfig, SlipwaySandbox
from slipway.evaluation.sandbox import BaseImage

pytestmark = [pytest.mark.anyio, pytest.mark.sandbox]


@pytest.fixture
async def sandbox_env(
    base_image: BaseImage, image_cache: Path, anyio_backend: str
) -> AsyncIterator[SandboxEnvironment]:
    """One sandbox, made and removed as Inspect does it for a sample."""
    config = SlipwayConfig(images=str(image_cache), digest=base_image.digest)
    environments = await SlipwaySandbox.sample_init("self check", config, {})
    yield environments["default"]
    await SlipwaySandbox.sample_cleanup("self check", config, environments, False)


def test_the_checks_were_collected() -> None:
    """An empty module of checks would pass too."""
    assert len(self_check.__all__) >= 44
    assert all(name in globals() for name in self_check.__all__)
