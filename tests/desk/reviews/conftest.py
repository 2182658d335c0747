from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from tests.desk.reviews.steps import Case


@pytest.fixture
def case(caller: Callable[..., Client]) -> Case:
    """A review to be carried through, with everybody's calls."""
    return Case(caller)
