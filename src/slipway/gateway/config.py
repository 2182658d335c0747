"""What one gateway process is started with."""

from __future__ import annotations

from dataclasses import dataclass, field

from slipway.base.datadir import DataDirectory
from slipway.gateway.control import LEASE_SECONDS, POLL_SECONDS
from slipway.gateway.protocol import Listener


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """Where the data is, where to listen, and the limits of the listener.

    ``asynchronous_evidence`` releases answers before their evidence is durable.
    It loses evidence in a crash and exists as an explicit policy only.
    """

    data: DataDirectory
    host: str = "127.0.0.1"
    port: int = 8001
    asynchronous_evidence: bool = False
    poll_seconds: float = POLL_SECONDS
    lease_seconds: float = LEASE_SECONDS
    keep_alive_seconds: int = 75
    stop_seconds: int = 10
    listener: Listener = field(default_factory=Listener)
