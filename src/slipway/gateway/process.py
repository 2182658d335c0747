"""One gateway process: server, signals, logs without content, one process per ledger."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from slipway.base.errors import Unavailable
from slipway.gateway.app import Gateway
from slipway.gateway.config import GatewayConfig
from slipway.gateway.protocol import GatewayProtocol

_log = logging.getLogger("slipway.gateway")


class _Plain(logging.Formatter):
    """Messages without exception text: aiohttp and the loop quote addresses in theirs."""

    def formatException(self, ei: Any) -> str:
        """Return the exception's type and the place it was raised, never its message."""
        kind, _, trace = ei
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else "?"
        return f"{kind.__name__ if kind else '?'} at {where}"


def configure_logging(level: int = logging.INFO) -> None:
    """Log to stderr, one line each, no content and no addresses of upstreams."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Plain("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Both quote hosts in their messages.
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)


class Server(uvicorn.Server):
    """uvicorn's server, which ends live streams when it is told to stop instead of waiting for them."""

    def __init__(self, config: uvicorn.Config, gateway: Gateway) -> None:
        super().__init__(config)
        self._gateway = gateway

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, with an exception handler that logs no exception text."""
        asyncio.get_running_loop().set_exception_handler(_loop_error)
        await super().startup(sockets)
        # Otherwise every full collection walks all that start-up made.
        gc.collect()
        gc.freeze()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Cut what is under way, then shut down as uvicorn does."""
        self._gateway.cut_all()
        await super().shutdown(sockets)


def _loop_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    _log.error("event loop: %s", type(error).__name__ if error is not None else "error without exception")


def make_server(config: GatewayConfig) -> Server:
    """Return a server that is ready to be run or awaited; opens the ledger."""
    gateway = Gateway(config)
    return Server(
        uvicorn.Config(
            gateway,
            host=config.host,
            port=config.port,
            loop="uvloop",
            http=GatewayProtocol,
            ws="none",
            lifespan="on",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=config.keep_alive_seconds,
            timeout_graceful_shutdown=config.stop_seconds,
            backlog=2048,
        ),
        gateway,
    )


@contextmanager
def single(config: GatewayConfig) -> Iterator[None]:
    """Hold the lock that keeps a second gateway off the same ledger; :class:`Unavailable` when it is taken.

    A second process would close the first one's live exchanges as interrupted.
    """
    path = config.data.run / "gateway.lock"
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Unavailable(f"another gateway already runs on {config.data.root}") from None
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def serve(config: GatewayConfig) -> None:
    """Run one gateway until it is stopped by SIGINT or SIGTERM."""
    config.data.create()
    # uvicorn raises the signal that stopped it once more when it is done; a clean stop is no failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    with single(config):
        make_server(config).run()
