"""Honest statistics of a run: what was estimated, how, from how much, under which assumptions.

Pure (numpy, scipy). The runner and the desk call the same :func:`summarise`, so
that nobody has to believe the other's arithmetic.
"""

from slipway.evaluation.stats.cluster import clustered_mean
from slipway.evaluation.stats.exact import clopper_pearson
from slipway.evaluation.stats.outcomes import Outcome, Result, fill_missing
from slipway.evaluation.stats.passk import pass_at_k, pass_hat_k
from slipway.evaluation.stats.power import minimum_detectable_effect
from slipway.evaluation.stats.results import Estimate, ItemResult, Sensitivity, Summary
from slipway.evaluation.stats.summary import MIN_FAMILIES, summarise

__all__ = [
    "MIN_FAMILIES",
    "Estimate",
    "ItemResult",
    "Outcome",
    "Result",
    "Sensitivity",
    "Summary",
    "clopper_pearson",
    "clustered_mean",
    "fill_missing",
    "minimum_detectable_effect",
    "pass_at_k",
    "pass_hat_k",
    "summarise",
]
