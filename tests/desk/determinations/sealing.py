"""A sequencer beside a test whose call waits for the log, on the test's own database connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from slipway.desk.records import queries
from tests.desk.reviews.steps import seal_log


@contextmanager
def sealing() -> Iterator[None]:
    """Seal what waits whenever the desk asks whether a record is sealed.

    A thread could not see the rows of the test's open transaction, so the real
    sequencer takes its turns here.
    """
    ask = queries.is_sealed

    def seal_then_ask(record_id: str) -> bool:
        seal_log()
        return ask(record_id)

    with patch.object(queries, "is_sealed", seal_then_ask):
        yield
