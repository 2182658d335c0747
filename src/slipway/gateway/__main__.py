"""``python -m slipway.gateway --data DIR``: one gateway process."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from slipway.base.datadir import DataDirectory
from slipway.base.errors import Exit, SlipwayError
from slipway.gateway.config import GatewayConfig
from slipway.gateway.process import configure_logging, serve


def main(argv: list[str] | None = None) -> int:
    """Run the gateway until it is told to stop; returns an exit code of :class:`Exit`."""
    parser = argparse.ArgumentParser(prog="python -m slipway.gateway", description="The slipway gateway.")
    parser.add_argument("--data", type=Path, required=True, help="data directory of the site")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8001, help="port to listen on")
    parser.add_argument(
        "--evidence",
        choices=("before-release", "asynchronous"),
        default="before-release",
        help="asynchronous loses evidence in a crash",
    )
    given = parser.parse_args(argv)
    configure_logging()
    config = GatewayConfig(
        data=DataDirectory(given.data.resolve()),
        host=given.host,
        port=given.port,
        asynchronous_evidence=given.evidence == "asynchronous",
    )
    try:
        serve(config)
    except SlipwayError as error:
        print(f"gateway: {error.message}", file=sys.stderr)
        return int(error.exit_code)
    return int(Exit.OK)


if __name__ == "__main__":
    sys.exit(main())
