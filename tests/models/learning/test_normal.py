"""The normal distribution against scipy's."""

from __future__ import annotations

import doctest

import numpy as np
from scipy import stats

from models.learning import normal


def test_its_examples_print_what_they_say() -> None:
    assert doctest.testmod(normal).failed == 0


def test_the_cdf_is_scipys_to_the_last_digits() -> None:
    z = np.linspace(-12, 12, 48_001)
    np.testing.assert_allclose(normal.cdf(z), stats.norm.cdf(z), rtol=0, atol=1e-15)


def test_tails_keep_their_digits_far_out_and_end_at_zero() -> None:
    z = np.linspace(0, 37, 3_701)
    np.testing.assert_allclose(normal.survival(z), stats.norm.sf(z), rtol=1e-7)
    assert normal.survival(np.inf) < 1e-300
    assert normal.cdf(np.inf) == 1


def test_it_never_falls() -> None:
    z = np.linspace(-9, 9, 200_001)
    assert np.all(np.diff(normal.cdf(z)) >= -1e-15)
