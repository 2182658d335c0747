"""Slipway: voluntary pre-release review of frontier AI models.

The rooms of this package and the order in which they may import one another
are described in ``docs/tour.md`` and held by import-linter.
"""

__version__ = "0.1.0"
