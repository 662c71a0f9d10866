"""Scales of comparison by hand."""

import math

import pytest

from ffrepro.claims.scale import COMPLEMENT, LINEAR, LOG, Scale


def test_a_margin_of_two_hundredths_accepts_everything_at_the_top_a_factor_does_not():
    linear, lacks = Scale(LINEAR), Scale(COMPLEMENT, least=5e-5)
    assert abs(linear.of(0.9999) - linear.of(0.9971)) < linear.margin({"absolute": 0.02}, 0.9971)
    apart = lacks.of(0.9999) - lacks.of(0.9971)
    assert apart == pytest.approx(math.log(0.0029 / 0.0001)) and apart > lacks.margin({"factor": 1.37}, 0.9971)


def test_places_go_back_and_grow_with_the_value():
    for scale in (Scale(), Scale(LOG), Scale(COMPLEMENT, top=100)):
        assert scale.back(scale.of(0.7)) == pytest.approx(0.7)
        assert scale.of(0.8) > scale.of(0.7)


def test_nothing_is_less_than_a_printed_digit_can_say():
    assert Scale(COMPLEMENT, least=5e-5).of(1.0) == pytest.approx(-math.log(5e-5))


def test_margins_on_their_scales():
    assert Scale().margin({"relative": 0.1}, 50) == pytest.approx(5)
    assert Scale(LOG).margin({"relative": 0.1}, 50) == pytest.approx(math.log(1.1))
    assert Scale(LOG).words(math.log(3)) == "a factor of 3"
