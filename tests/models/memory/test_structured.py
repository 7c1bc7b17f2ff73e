"""Records moved whole hold what numpy's own indexing would have put there."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from models.memory import structured
from models.state.columns import CELL, CUSTOMER, OPEN_LINE, PRODUCT

TYPES = [CUSTOMER, CELL, PRODUCT, OPEN_LINE]


def records(dtype: np.dtype[np.void], count: int) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Bytes that differ everywhere."""
    return np.frombuffer(np.random.default_rng(1).bytes(dtype.itemsize * count), dtype).copy()


def test_its_examples_hold() -> None:
    assert doctest.testmod(structured).failed == 0


@pytest.mark.parametrize("dtype", TYPES)
def test_places_and_masks_are_taken_as_by_indexing(dtype: np.dtype[np.void]) -> None:
    these, at = records(dtype, 9), np.array([8, 0, 0, 3])
    assert structured.take(these, at).tobytes() == these[at].tobytes()
    assert structured.take(these, np.arange(9) % 2 == 0).tobytes() == these[::2].tobytes()
    assert structured.take(these, np.zeros(0, np.int64)).dtype == dtype


@pytest.mark.parametrize("dtype", TYPES)
def test_what_is_put_stands_there_and_nowhere_else(dtype: np.dtype[np.void]) -> None:
    these, others = records(dtype, 9), records(dtype, 20)[11:13]
    expected = these.copy()
    expected[np.array([7, 2])] = others
    structured.put(these, np.array([7, 2]), others)
    assert these.tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", TYPES)
def test_a_copy_and_a_joined_array_are_memory_of_their_own(dtype: np.dtype[np.void]) -> None:
    these = records(dtype, 5)
    copied, joined = structured.copy(these), structured.join(these[:2], these[2:])
    assert copied.tobytes() == joined.tobytes() == these.tobytes()
    these[dtype.names[0]] = 0  # type: ignore[index]
    assert_array_equal(copied[dtype.names[0]], joined[dtype.names[0]])  # type: ignore[index]
    assert copied.tobytes() != these.tobytes()
