"""Exact binomial intervals (Clopper and Pearson 1934)."""

from __future__ import annotations

from scipy.special import betaincinv


def clopper_pearson(passes: float, attempts: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact two-sided interval of a success probability.

    ``passes`` and ``attempts`` may be fractional: an effective sample size
    then takes the place of a count and the interval is no longer exact.
    Raises ValueError where there is no attempt or the counts contradict.
    """
    if attempts <= 0 or not 0 <= passes <= attempts:
        raise ValueError(f"{passes} of {attempts} is not a proportion of at least one attempt")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence} is not between 0 and 1")
    tail = (1 - confidence) / 2
    low = 0.0 if passes <= 0 else float(betaincinv(passes, attempts - passes + 1, tail))
    high = 1.0 if passes >= attempts else float(betaincinv(passes + 1, attempts - passes, 1 - tail))
    return low, high
