"""What a run could have seen: the minimum detectable effect."""

from __future__ import annotations

from scipy.special import ndtri, stdtrit


def minimum_detectable_effect(
    se: float, df: float | None, *, confidence: float = 0.95, power: float = 0.8
) -> float:
    """Return the smallest true difference from a line that this run would detect.

    (t_{1-alpha/2, df} + t_{power, df}) * se (Bloom 1995), two-sided, in the
    units of the accuracy; normal quantiles where ``df`` is None.
    """
    if se < 0:
        raise ValueError("a standard error is not negative")
    if df is None:
        return float((ndtri(0.5 + confidence / 2) + ndtri(power)) * se)
    return float((stdtrit(df, 0.5 + confidence / 2) + stdtrit(df, power)) * se)
