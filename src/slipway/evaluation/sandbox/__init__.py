"""Sandboxes of tier 2: ``crun`` on an OCI bundle, no daemon, one holder process a sandbox.

::

    base = base_image.ensure(directory)
    async with await Sandbox.start(SandboxConfig(), base) as box:
        result = await box.exec(["id"], timeout=10)
"""

from __future__ import annotations

from slipway.evaluation.sandbox import base_image
from slipway.evaluation.sandbox.base_image import BaseImage, ImageUnavailable
from slipway.evaluation.sandbox.box import Sandbox
from slipway.evaluation.sandbox.config import ExecResult, Opening, SandboxConfig
from slipway.evaluation.sandbox.errors import (
    OutputLimitExceeded,
    SandboxUnavailable,
    SandboxUnsupported,
    UserNotFound,
)
from slipway.evaluation.sandbox.probe import TierReport, doctor, tier
from slipway.evaluation.sandbox.reaper import Reaped, reap

__all__ = [
    "BaseImage",
    "ExecResult",
    "ImageUnavailable",
    "Opening",
    "OutputLimitExceeded",
    "Reaped",
    "Sandbox",
    "SandboxConfig",
    "SandboxUnavailable",
    "SandboxUnsupported",
    "TierReport",
    "UserNotFound",
    "base_image",
    "doctor",
    "reap",
    "tier",
]
