"""The standard-library verifier that goes into bundles, loaded as a module."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import slipway.evidence

PATH = Path(slipway.evidence.__file__).parent / "inside" / "verify.py"
_spec = importlib.util.spec_from_file_location("bundle_verify_py", PATH)
assert _spec is not None and _spec.loader is not None
twin = importlib.util.module_from_spec(_spec)
sys.modules["bundle_verify_py"] = twin
_spec.loader.exec_module(twin)
