"""pass@k and pass^k by their unbiased estimators (Chen et al. 2021; Yao et al. 2024)."""

from __future__ import annotations

from math import comb


def pass_at_k(attempts: int, passes: int, k: int) -> float:
    """Return the unbiased probability that at least one of ``k`` attempts passes."""
    _check(attempts, passes, k)
    return 1.0 - comb(attempts - passes, k) / comb(attempts, k)


def pass_hat_k(attempts: int, passes: int, k: int) -> float:
    """Return the unbiased probability that all of ``k`` attempts pass."""
    _check(attempts, passes, k)
    return comb(passes, k) / comb(attempts, k)


def _check(attempts: int, passes: int, k: int) -> None:
    if not 0 <= passes <= attempts:
        raise ValueError(f"{passes} passes of {attempts} attempts")
    if not 1 <= k <= attempts:
        raise ValueError(f"k={k} needs at least as many attempts as k, there are {attempts}")
