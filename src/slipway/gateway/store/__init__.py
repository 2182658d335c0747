"""What the gateway reads (control tables) and writes (its ledger), behind ports.

The control tables are made by the migrations of ``desk/access``; a contract
test keeps :data:`CONTROL_TABLES` and those migrations equal.
"""

from __future__ import annotations

from slipway.gateway.store.interface import CONTROL_TABLES, ControlSource, Usage
from slipway.gateway.store.sqlite import usage_by_grant

__all__ = ["CONTROL_TABLES", "ControlSource", "Usage", "usage_by_grant"]
