"""Extraction: known plans come back, plans do not depend on company, and nothing makes it fall over."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from helpers.movements import recording

from ffrepro.core import seeds
from ffrepro.kinematics import initial, levenberg, lognormal, parameters, windows
from ffrepro.kinematics.batches import Movement
from ffrepro.kinematics.extraction import Settings, evaluate, extract
from ffrepro.kinematics.quality import snr_db
from ffrepro.kinematics.reference import RATE, Reference, differentiate, reference
from ffrepro.training import bench_kinematics

SETTINGS = Settings()


@pytest.fixture(scope="module")
def known():
    generator = seeds.generator("test", "known plans")
    plans = [bench_kinematics.known_plan(generator) for _ in range(20)]
    return plans, list(extract([bench_kinematics.known_signal(plan, filtered=False) for plan in plans], SETTINGS))


@pytest.fixture(scope="module")
def references():
    """Twelve movements, two of them long enough for windows."""
    signals = [reference(*recording(number)) for number in range(10)]
    return [*signals, reference(*recording(10, 220)), reference(*recording(11, 400))]


@pytest.fixture(scope="module")
def extracted(references):
    return list(extract(references, SETTINGS))


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.plan, b.plan, strict=True)) and torch.equal(a.start, b.start)


def test_known_plans_are_drawn_as_promised():
    generator = seeds.generator("test", "drawn")
    for _ in range(50):
        plan = bench_kinematics.known_plan(generator)
        assert 3 <= len(plan.t0) <= 8
        before, after = lognormal.inflection_times(plan)
        width, gap = after - before, lognormal.peak_time(plan).diff()
        assert (gap >= 1.2 * torch.maximum(width[1:], width[:-1]) - 1e-12).all()
        assert plan.t0.min() == 0


def test_known_plans_come_back(known):
    plans, found = known
    assert min(result.quality.snr_v for result in found) >= 50
    strokes = sum(len(plan.t0) for plan in plans)
    again = sum(bench_kinematics.found_again(plan, result.plan) for plan, result in zip(plans, found, strict=True))
    assert again >= 0.95 * strokes
    assert sum(result.quality.strokes for result in found) <= 1.02 * strokes


def test_found_again_by_hand():
    def plan(peaks, d):
        zero = torch.zeros(len(peaks), dtype=torch.float64)
        peaks, d = (torch.tensor(values, dtype=torch.float64) for values in (peaks, d))
        return lognormal.Plan(peaks - torch.exp(zero - 0.04), zero, zero + 0.2, d, zero, zero)

    truth = plan([0.5, 1.0, 1.5], [10, 10, 10])
    assert bench_kinematics.found_again(truth, plan([0.509, 1.011, 1.5, 1.5], [10, 10, 12, 10.9])) == 2


def test_quality_is_that_of_the_plan(references, extracted):
    for signal, result in zip(references, extracted, strict=True):
        velocity, position = evaluate(result.plan, torch.from_numpy(signal.t))
        assert result.quality.snr_v == pytest.approx(snr_db(signal.velocity, velocity.numpy()), abs=1e-9)
        centred = signal.position - signal.position.mean(0)
        error = signal.position - (position + result.start).numpy()
        assert result.quality.snr_t == pytest.approx(10 * np.log10((centred**2).sum() / (error**2).sum()), abs=1e-6)
        assert result.quality.strokes == len(result.plan.t0)
        assert result.seconds == signal.seconds
        assert result.quality.snr_v > 24
        assert result.quality.snr_t > 35
        assert (lognormal.peak_time(result.plan).diff() >= 0).all()
        assert (result.plan.d > 0).all()


def test_a_plan_does_not_depend_on_its_company(references, extracted):
    assert all(same(a, b) for a, b in zip(extract(references, SETTINGS), extracted, strict=True))
    backwards = list(extract(references[::-1], SETTINGS))[::-1]
    assert all(same(a, b) for a, b in zip(backwards, extracted, strict=True))
    for number in (0, 3, 10, 11):
        (alone,) = extract([references[number]], SETTINGS)
        assert same(alone, extracted[number])


def test_a_movement_may_lie_anywhere_and_be_any_size(references, extracted):
    signal = references[0]
    moved = Reference(1000 * signal.position + [-5e4, 3e4], 1000 * signal.velocity)
    (result,) = extract([moved], SETTINGS)
    assert result.quality.snr_v == pytest.approx(extracted[0].quality.snr_v, abs=0.5)
    torch.testing.assert_close(result.plan.d / 1000, extracted[0].plan.d, rtol=0.02, atol=0)


def test_more_target_more_strokes(references):
    counts, snr = [], []
    for target in (24.0, 38.0, 45.0):
        found = list(extract(references[:6], Settings(target_db=target)))
        counts.append(sum(result.quality.strokes for result in found))
        snr.append(np.median([result.quality.snr_v for result in found]))
    assert counts == sorted(counts) and counts[0] < counts[-1]
    assert snr == sorted(snr) and snr[0] < snr[-1]


def test_double_precision_gives_nearly_the_same(references, extracted):
    found = list(extract(references[:4], Settings(dtype=torch.float64)))
    for double, single in zip(found, extracted, strict=False):
        assert double.quality.snr_v == pytest.approx(single.quality.snr_v, abs=1.5)


def test_a_movement_of_ten_thousand_points():
    rng = np.random.default_rng(0)
    t = np.cumsum(rng.integers(8, 13, 10_000)).astype(float)
    smooth = [np.convolve(rng.normal(size=10_039), np.hanning(40), "valid").cumsum() for _ in range(2)]
    signal = reference(*smooth, t)
    (result,) = extract([signal], Settings(target_db=12.0, rounds=3, prunings=0, final_passes=2, final_steps=6))
    assert signal.seconds > 90
    assert result.quality.snr_v > 10
    assert result.quality.strokes > 50
    assert all(field.isfinite().all() for field in result.plan)


@pytest.mark.parametrize("seconds", [0.04, 0.06, 0.1])
def test_the_shortest_movements(seconds):
    t = np.arange(int(seconds * RATE) + 1) / RATE
    position = np.stack([np.sin(20 * t), t], 1)
    (result,) = extract([Reference(position, differentiate(position))], SETTINGS)
    assert all(field.isfinite().all() for field in result.plan)
    assert result.quality.snr_v > 10


def test_extracting_nothing():
    assert list(extract([], SETTINGS)) == []


def test_strokes_at_peaks():
    t = np.arange(300) / RATE
    bell = np.exp(-0.5 * ((t - 0.4) / 0.05) ** 2)
    low = 0.5 * np.exp(-0.5 * ((t - 0.9) / 0.08) ** 2)
    ripple = 0.01 * np.exp(-0.5 * ((t - 1.3) / 0.03) ** 2)  # below a twentieth of the highest: no stroke
    theta = initial.strokes_at_peaks(np.stack([bell, low + ripple], 1))
    assert theta.shape == (6, 2)
    np.testing.assert_allclose(theta[parameters.PEAK], [0.4, 0.9], atol=0.006)
    np.testing.assert_allclose(np.exp(theta[parameters.WIDTH]), [0.05, 0.08], rtol=0.1)
    amplitudes = np.hypot(*theta[parameters.AX :])
    np.testing.assert_allclose(amplitudes, np.sqrt(2 * np.pi) * np.array([0.05, 0.04]), rtol=0.12)
    assert abs(theta[parameters.AY, 0]) < 1e-3 and abs(theta[parameters.AX, 1]) < 1e-3


def test_a_movement_that_starts_fast_has_a_stroke_there():
    speed = np.exp(-np.arange(100) / 30)
    theta = initial.strokes_at_peaks(np.stack([speed, 0 * speed], 1))
    assert theta[parameters.PEAK].tolist() == [0.0]


def test_strokes_at_residual_take_the_largest_first_and_stop():
    t = torch.arange(200) * 0.01
    bell = torch.exp(-0.5 * ((t - 0.5) / 0.045) ** 2) * 3 + torch.exp(-0.5 * ((t - 1.5) / 0.03) ** 2)
    residual = torch.stack([bell, torch.zeros_like(bell)])
    energy = float(residual.square().sum())
    both = initial.strokes_at_residual(residual, 0.01, 1e-3 * energy, most=9)
    assert both[parameters.PEAK].tolist() == pytest.approx([0.5, 1.5])
    assert both[parameters.WIDTH].exp().tolist() == pytest.approx([0.045, 0.03])
    assert both[parameters.AX].tolist() == pytest.approx([3 * 0.1128, 0.0752], rel=0.01)  # peak sqrt(2 pi) w
    assert initial.strokes_at_residual(residual, 0.01, 0.2 * energy, most=9).shape == (6, 1)
    assert initial.strokes_at_residual(residual, 0.01, 0.0, most=1).shape == (6, 1)


def test_every_cut_covers_a_movement_and_owns_each_stroke_once():
    peaks = np.linspace(-0.05, 9.05, 137)
    for samples in (5, 85, 86, 200, 600):
        for cut in range(windows.cuts(samples, 0.015)):
            found = windows.windows(samples, 0.015, cut)
            assert (found[0].first, found[-1].last) == (0, samples)
            assert all(a.last > b.first for a, b in pairwise(found))
            assert max(w.last - w.first for w in found) * 0.015 < 1.6
            owned = np.concatenate([windows.owned(w, peaks) for w in found])
            assert sorted(owned) == list(range(137))
    first, second = windows.windows(600, 0.015, 0)[:2]
    assert set(windows.context(second, np.array([0.2, first.end - 0.01, 4.0]), np.full(3, 0.05), 0.015)) == {1}


def test_refinement_never_makes_it_worse_and_keeps_padding(references):
    movement = Movement(references[0], torch.float64)
    t = torch.arange(movement.samples, dtype=torch.float64) * 0.015
    theta = torch.from_numpy(movement.theta).repeat(3, 1, 1)
    theta[1, parameters.PEAK] += 0.02
    theta = torch.cat([theta, theta[:, :, :1]], 2)
    valid = torch.ones(3, theta.shape[2], dtype=torch.float64)
    valid[:, -1] = 0
    theta[:, parameters.AX :, -1] = 0
    target = torch.cat([movement.velocity.flatten(), movement.position[:, ::3].flatten()]).repeat(3, 1)
    weight = torch.ones_like(target)
    last = torch.full((3,), float(t[-1]), dtype=torch.float64)
    problems = levenberg.Problems(theta, valid, target, weight, last, t, 3)
    buffers = levenberg.Buffers()
    costs = [levenberg.refine(problems, steps, 0.0, buffers).residual.square().sum(1) for steps in (1, 2, 4, 8, 16)]
    for earlier, later in pairwise(costs):
        assert (later <= earlier).all()
    assert (costs[-1] < 0.5 * costs[0]).all()
    refined = levenberg.refine(problems, 16, 0.0, buffers)
    assert torch.equal(refined.theta[:, :, -1], theta[:, :, -1])
    assert torch.equal(refined.theta[0], refined.theta[2])
    assert (refined.worth[:, -1] == 0).all() and (refined.worth[:, :-1] > 0).all()


def test_worth_of_a_stroke_is_what_leaving_it_out_costs(references):
    movement = Movement(references[1], torch.float64)
    theta = torch.from_numpy(movement.theta)[None]
    strokes = theta.shape[2]
    t = torch.arange(movement.samples, dtype=torch.float64) * 0.015
    table = parameters.table(theta, t, 3, levenberg.Buffers())[0]
    columns = table[:-1].unflatten(0, (6, strokes))[parameters.AX :]  # (2, K, R): linear in these
    target = torch.randn(table.shape[1], dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def fitted(kept):
        design = columns[:, kept].flatten(0, 1)
        amplitude = torch.linalg.lstsq(design.T, target[:, None]).solution
        return amplitude.view(2, -1), float((target - (design.T @ amplitude)[:, 0]).square().sum())

    everything = list(range(strokes))
    amplitude, least = fitted(everything)
    theta[0, parameters.AX :] = amplitude
    full = torch.cat([table[:-1], (target - (columns * amplitude[:, :, None]).sum((0, 1)))[None]])[None]
    products = full @ full.transpose(1, 2)
    worth = levenberg.worth(theta, products, torch.ones(1, strokes, dtype=torch.float64))[0]
    for stroke in everything:
        _, cost = fitted([k for k in everything if k != stroke])
        assert float(worth[stroke]) == pytest.approx(cost - least, rel=2e-2)
