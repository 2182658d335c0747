"""Log lines in UTC, one line an event."""

from __future__ import annotations

import logging
import time


class UtcFormatter(logging.Formatter):
    """Formats times as ``2026-06-20T14:02:00.123Z``."""

    # A static method, because the base class holds a function that is called without self.
    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"
