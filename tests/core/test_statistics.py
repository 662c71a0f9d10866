"""Statistics: matrices small enough to check by hand, and scipy or scikit-learn as a second opinion."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score, roc_curve

from ffrepro.core import statistics as st
from ffrepro.core.detection import auc

A, B = [2.0, 4.0, 6.0], [1.0, 2.0, 3.0, 6.0]


def published(mean, std, n):
    return st.Summary(n, mean, std, math.nan, math.nan)


def test_summary_by_hand():
    s = st.summarize(A)
    assert (s.n, s.mean, s.std) == (3, 4.0, 2.0)
    half = 4.302652729911275 * 2 / math.sqrt(3)  # t(.975, 2)
    assert (s.low, s.high) == pytest.approx((4 - half, 4 + half))


def test_spread_by_hand():
    s = st.spread(st.summarize(A))  # std 2, chi2(.975, 2) = 7.377759, chi2(.025, 2) = .0506356
    assert (s.n, s.mean) == (3, 2.0)
    assert (s.low, s.high) == pytest.approx((2 * math.sqrt(2 / 7.377759), 2 * math.sqrt(2 / 0.0506356)), rel=1e-5)
    assert st.spread(st.summarize([3.0, 3.0]))[1:] == (0.0, pytest.approx(math.nan, nan_ok=True), 0.0, 0.0)
    assert all(math.isnan(v) for v in st.spread(st.summarize([1.0]))[1:])


def test_summary_of_one_run_has_no_spread():
    s = st.summarize([0.5])
    assert (s.n, s.mean) == (1, 0.5)
    assert all(math.isnan(v) for v in (s.std, s.low, s.high))


def test_an_interval_is_cut_at_what_can_be_and_the_rest_stays():
    s = st.summarize(A)
    assert st.cut(s, 0.0, 5.0) == (3, 4.0, 2.0, 0.0, 5.0)
    assert st.cut(s, -10, 50) == s
    assert math.isnan(st.cut(st.summarize([0.5]), 0.0, 1.0).low)


@pytest.mark.parametrize("bad", [[], [1.0, math.nan], [math.inf], [[1.0]]])
def test_summary_refuses_what_is_no_sample(bad):
    with pytest.raises(ValueError, match="finite"):
        st.summarize(bad)


def test_one_sample_by_hand_and_by_scipy():
    t = st.one_sample_t(st.summarize(A), 1.0)
    assert t.t == pytest.approx(3 / (2 / math.sqrt(3)))
    assert t.df == 2
    assert t.p == pytest.approx(stats.ttest_1samp(A, 1.0).pvalue)


@pytest.mark.parametrize("equal_variance", [True, False])
def test_two_sample_equals_scipy(equal_variance):
    ours = st.two_sample_t(st.summarize(A), st.summarize(B), equal_variance=equal_variance)
    theirs = stats.ttest_ind(A, B, equal_var=equal_variance)
    assert (ours.t, ours.df, ours.p) == pytest.approx((theirs.statistic, theirs.df, theirs.pvalue))


def test_student_by_hand():
    # means 4 and 3; pooled variance (2*4 + 3*14/3)/5 = 4.4; error sqrt(4.4*(1/3+1/4))
    t = st.two_sample_t(st.summarize(A), st.summarize(B), equal_variance=True)
    assert t.t == pytest.approx(1 / math.sqrt(4.4 * 7 / 12))


def test_published_summaries_serve_as_samples():
    # 28.3 +- 0.6 against 27.8 +- 0.7, five runs each: t(8) = 1.213, p = .260
    a, b = published(28.3, 0.6, 5), published(27.8, 0.7, 5)
    t = st.two_sample_t(a, b, equal_variance=True)
    assert (t.t, t.df) == pytest.approx((1.2127, 8), abs=1e-4)
    assert t.p == pytest.approx(0.260, abs=5e-4)
    assert st.two_sample_t(a, b, equal_variance=False).p == pytest.approx(0.261, abs=5e-4)


def test_no_spread_is_answered_exactly():
    same = st.summarize([50.0, 50.0, 50.0])
    assert st.one_sample_t(same, 50.0) == (0.0, 2, 1.0)
    assert st.one_sample_t(same, 51.0).p == 0.0
    assert st.tost_one_sample(same, 51.0, 2.0) == 0.0
    assert st.tost_one_sample(same, 53.0, 2.0) == 1.0
    assert st.two_sample_t(same, same, equal_variance=False).p == 1.0
    assert st.hedges_g(same, same).g == 0.0


def test_one_run_gives_no_test():
    one, three = st.summarize([1.0]), st.summarize(A)
    assert math.isnan(st.one_sample_t(one, 0.0).p)
    assert math.isnan(st.two_sample_t(one, three, equal_variance=True).p)
    assert math.isnan(st.tost_one_sample(one, 0.0, 1.0))
    assert math.isnan(st.tost_two_sample(one, three, 1.0))
    assert math.isnan(st.hedges_g(one, three).g)


def test_hedges_g_by_hand():
    e = st.hedges_g(st.summarize(A), st.summarize(B))
    g = (1 - 3 / 19) * 1 / math.sqrt(4.4)
    half = 1.959963984540054 * math.sqrt(7 / 12 + g**2 / 14)
    assert e == pytest.approx((g, g - half, g + half))


def test_holm_by_hand():
    # sorted .01*4, .02*3, .03*2, .5*1 -> .04, .06, .06 (monotone), .5
    assert st.holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert st.holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])
    assert st.holm([]) == []


def test_holm_leaves_nan_out_of_the_count():
    adjusted = st.holm([0.01, math.nan, 0.04])
    assert adjusted[0] == pytest.approx(0.02) and math.isnan(adjusted[1]) and adjusted[2] == pytest.approx(0.04)


@pytest.mark.parametrize(("value", "margin"), [(3.9, 5.0), (3.9, 8.0), (1.0, 2.0)])
def test_tost_is_the_90_percent_interval(value, margin):
    s = st.summarize(A, confidence=0.9)
    inside = value - margin < s.low and s.high < value + margin
    assert (st.tost_one_sample(s, value, margin) < 0.05) == inside


def test_tost_equals_two_one_sided_tests_of_scipy():
    p = st.tost_one_sample(st.summarize(B), 2.5, 1.5)
    expected = max(
        stats.ttest_1samp(B, 1.0, alternative="greater").pvalue, stats.ttest_1samp(B, 4.0, alternative="less").pvalue
    )
    assert p == pytest.approx(expected)
    p = st.tost_two_sample(st.summarize(A), st.summarize(B), 2.0)
    shifted = stats.ttest_ind(np.array(A) + 2.0, B, equal_var=False, alternative="greater").pvalue
    lowered = stats.ttest_ind(np.array(A) - 2.0, B, equal_var=False, alternative="less").pvalue
    assert p == pytest.approx(max(shifted, lowered))


def test_tost_refuses_a_margin_that_is_none():
    with pytest.raises(ValueError, match="margin"):
        st.tost_one_sample(st.summarize(A), 4.0, 0.0)


def test_roc_curve_by_hand():
    # thresholds .9, .5 (a tie of one positive and one negative), .1
    false, true = st.roc_curve([0.9, 0.5, 0.5, 0.1], [1, 1, 0, 0])
    assert false.tolist() == [0.0, 0.0, 0.5, 1.0]
    assert true.tolist() == [0.0, 0.5, 1.0, 1.0]


def test_roc_curve_equals_sklearn_with_many_ties_and_spans_the_auc():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 500)
    scores = np.round(rng.normal(size=500) + labels, 1)
    false, true = st.roc_curve(scores, labels)
    expected_false, expected_true, _ = roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(false, expected_false)
    np.testing.assert_allclose(true, expected_true)
    assert np.trapezoid(true, false) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [([1.0, 2.0], [1, 1], "both classes"), ([1.0], [1, 0], "shape"), ([math.nan, 1.0], [1, 0], "NaN")],
)
def test_roc_curve_refuses_what_it_cannot_rank(scores, labels, message):
    with pytest.raises(ValueError, match=message):
        st.roc_curve(scores, labels)


def test_a_prediction_interval_by_hand_and_its_dual_test():
    s = st.summarize(A)
    t = 4.302652729911275  # t(.975, 2)
    assert st.prediction_interval(s) == pytest.approx((4 - t * 2 * math.sqrt(4 / 3), 4 + t * 2 * math.sqrt(4 / 3)))
    low, high = st.prediction_interval(s, draws=5)
    assert (low, high) == pytest.approx((4 - t * 2 * math.sqrt(1 / 3 + 1 / 5), 4 + t * 2 * math.sqrt(1 / 3 + 1 / 5)))
    assert st.one_sample_t(s, high, draws=5).p == pytest.approx(0.05)
    assert all(math.isnan(bound) for bound in st.prediction_interval(st.summarize([1.0])))


def test_one_published_run_is_a_draw_and_no_exact_number():
    s = st.summarize([0.83, 0.834, 0.838])
    assert st.one_sample_t(s, 0.845).p < 0.05 < st.one_sample_t(s, 0.845, draws=1).p
    assert st.tost_one_sample(s, 0.834, 0.01) < 0.05 < st.tost_one_sample(s, 0.834, 0.01, draws=1)


def test_the_detectable_difference_has_the_power_asked_for():
    found = st.detectable_difference(5, 2.0)
    rng = np.random.default_rng(0)
    samples = rng.normal(found, 2.0, size=(20_000, 5))
    assert np.mean(stats.ttest_1samp(samples, 0.0, axis=1).pvalue < 0.05) == pytest.approx(0.8, abs=0.01)
    assert st.detectable_difference(5, 2.0, draws=5) == pytest.approx(found * math.sqrt(2))
    assert st.detectable_difference(100, 2.0) < found and math.isnan(st.detectable_difference(2, 2.0))


def test_the_largest_spread_is_where_equal_means_just_pass():
    spread = st.largest_spread(4, 0.02)
    assert st.tost_one_sample(published(0.9, spread, 4), 0.9, 0.02) == pytest.approx(0.05)
    spread = st.largest_spread(4, 0.02, draws=2)
    assert st.tost_one_sample(published(0.9, spread, 4), 0.9, 0.02, draws=2) == pytest.approx(0.05)
