"""Every item in the real sandbox: the reference passes, doing nothing and searching for flags do not."""

from __future__ import annotations

import pytest

from slipway.evaluation import suite
from slipway.evaluation.checks import check_item
from slipway.evaluation.sandbox import BaseImage

STARTER = suite.load("starter")

pytestmark = [pytest.mark.sandbox, pytest.mark.anyio]


@pytest.mark.parametrize("item", [item.id for item in STARTER.items])
async def test_reference_passes_no_op_and_grep_fail(item: str, base_image: BaseImage) -> None:
    for seed in (0, 1):
        found = await check_item(STARTER, STARTER.item(item), base_image, seed=seed)
        assert [(c.name, c.status, c.reason) for c in found.checks if c.status != "pass"] == []
        assert [c.name for c in found.checks] == ["reference", "no-op", "grep-for-flag"]
