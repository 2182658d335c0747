"""The statistics against other people's: statsmodels, scipy, closed forms, and simulated truth."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
import scipy.stats
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from slipway.evaluation.stats import (
    clopper_pearson,
    clustered_mean,
    minimum_detectable_effect,
    pass_at_k,
    pass_hat_k,
)
from slipway.evaluation.stats.cluster import fixed_mean


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("passes", "attempts"), [(0, 5), (1, 5), (5, 5), (7, 12), (44, 80), (999, 1000)])
def test_clopper_pearson_is_scipys_and_statsmodels(passes: int, attempts: int, confidence: float) -> None:
    ours = clopper_pearson(passes, attempts, confidence)
    theirs = scipy.stats.binomtest(passes, attempts).proportion_ci(confidence, method="exact")
    assert ours == pytest.approx((theirs.low, theirs.high), abs=1e-10)
    assert ours == pytest.approx(
        proportion_confint(passes, attempts, 1 - confidence, method="beta"), abs=1e-10
    )


@pytest.mark.parametrize(("passes", "attempts"), [(-1, 5), (6, 5), (0, 0)])
def test_clopper_pearson_refuses_what_is_no_proportion(passes: int, attempts: int) -> None:
    with pytest.raises(ValueError, match="proportion"):
        clopper_pearson(passes, attempts)


@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.sampled_from([0.0, 0.2, 0.4, 0.8, 1.0])), min_size=4, max_size=40
    )
)
def test_the_clustered_mean_is_statsmodels_ols_with_clustered_covariance(
    rows: list[tuple[int, float]],
) -> None:
    families, values = [f"f{f}" for f, _ in rows], [v for _, v in rows]
    if len(set(families)) < 2:
        return
    ours = clustered_mean(values, families, name="x")
    codes = np.unique(families, return_inverse=True)[1]
    fit = sm.OLS(values, np.ones(len(values))).fit(
        cov_type="cluster", cov_kwds={"groups": codes, "df_correction": True}, use_t=True
    )
    assert ours.estimate == pytest.approx(fit.params[0])
    assert ours.se == pytest.approx(fit.bse[0], abs=1e-9)
    if ours.df is not None:
        low, high = fit.conf_int()[0]
        assert (ours.low, ours.high) == pytest.approx((max(0, low), min(1, high)), abs=1e-7)
        assert ours.df == len(set(families)) - 1


def test_families_without_variation_do_not_give_an_interval_of_no_width() -> None:
    everything = clustered_mean([1.0] * 6, ["a", "a", "b", "b", "c", "c"], name="x")
    assert everything.high == 1.0
    assert everything.low == pytest.approx(0.025 ** (1 / 3))
    assert everything.df is None


def test_one_family_gives_no_clustered_interval() -> None:
    with pytest.raises(ValueError, match="two families"):
        clustered_mean([0.0, 1.0], ["a", "a"], name="x")


def test_fixed_accuracy_by_hand() -> None:
    found = fixed_mean([5, 0, 2], [5, 5, 5], name="x")
    assert found.estimate == pytest.approx(7 / 15)
    assert found.se == pytest.approx((0.4 * 0.6 / 4) ** 0.5 / 3)
    assert (found.low, found.high) == pytest.approx(clopper_pearson(7, 15))


@given(st.integers(1, 9), st.data())
def test_pass_at_k_by_counting_every_subset(attempts: int, data: st.DataObject) -> None:
    passes = data.draw(st.integers(0, attempts))
    k = data.draw(st.integers(1, attempts))
    marks = [1] * passes + [0] * (attempts - passes)
    subsets = list(combinations(marks, k))
    some = Fraction(sum(any(s) for s in subsets), len(subsets))
    every = Fraction(sum(all(s) for s in subsets), len(subsets))
    assert pass_at_k(attempts, passes, k) == pytest.approx(float(some))
    assert pass_hat_k(attempts, passes, k) == pytest.approx(float(every))


def test_minimum_detectable_effect_has_the_power_that_it_states() -> None:
    """An effect of that size is found in about 80 of 100 runs (noncentral t)."""
    se, df = 0.06, 10
    effect = minimum_detectable_effect(se, df)
    critical = scipy.stats.t.ppf(0.975, df)
    power = 1 - scipy.stats.nct.cdf(critical, df, effect / se)
    assert power == pytest.approx(0.8, abs=0.03)
    assert minimum_detectable_effect(se, None) == pytest.approx(2.8015852 * se)


def test_stated_coverage_is_true_coverage_when_items_come_in_families() -> None:
    """2,000 suites of 20 families of known truth: the 95 % interval holds it in 93 to 97 %."""
    random = np.random.default_rng(20261120)
    truth, runs, families, items, attempts = 0.45, 2000, 20, 3, 5
    held = naive = 0
    for _ in range(runs):
        skill = random.beta(1.8, 2.2, families)
        p = np.clip(np.repeat(skill, items) + random.normal(0, 0.05, families * items), 0, 1)
        rates = random.binomial(attempts, p) / attempts
        found = clustered_mean(list(rates), [f"f{i // items}" for i in range(families * items)], name="x")
        held += found.low <= truth <= found.high
        low, high = clopper_pearson(int(rates.sum() * attempts), families * items * attempts)
        naive += low <= truth <= high
    assert 0.93 <= held / runs <= 0.97
    assert naive / runs < 0.8, "counting attempts as independent would have been believed wrongly"


def test_the_fixed_interval_covers_with_items_of_unequal_difficulty() -> None:
    random = np.random.default_rng(7)
    p = np.array([0.0, 0.0, 1.0, 1.0, 0.9, 0.1, 0.5, 0.2])
    held = 0
    for _ in range(2000):
        found = fixed_mean(list(random.binomial(5, p)), [5] * len(p), name="x")
        held += found.low <= p.mean() <= found.high
    assert held / 2000 >= 0.95
