"""Clusters: centres that go on from their bytes, in any order, and are about as good as many fits."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.vq import kmeans2

from models.learning.clusters import CLUSTERS, LEAST_MEMBERS, SCALE, Clusters

CENTRES = np.random.default_rng(1).normal(0, 3, (CLUSTERS, 5))


def customers(seed: int, count: int = 1_000, drift: float = 0.0) -> Any:
    """Features of customers around eight centres, which move by `drift`."""
    random = np.random.default_rng(seed)
    values = CENTRES[np.arange(count) % CLUSTERS] + drift + random.normal(0, 0.8, (count, CENTRES.shape[1]))
    return np.rint(values * SCALE).astype(np.int64)


def first(features: Any) -> Clusters:
    found = Clusters.first(features)
    assert found is not None
    return found


def after(days: int, *, found: Clusters | None = None, begin: int = 0, width: int = 5) -> Clusters:
    """Clusters after some boundaries."""
    found = found or first(customers(0)[:, :width])
    for day in range(begin, begin + days):
        found = found.learnt(customers(day, drift=day / 200)[:, :width], np.arange(day % 8, 1_000, 8))
    return found


def inertia(features: Any, centres: Any) -> float:
    return float(((features[:, None] - centres[None]) ** 2).sum(axis=2).min(axis=1).sum())


def test_too_few_customers_have_no_clusters() -> None:
    enough = CLUSTERS * LEAST_MEMBERS
    assert Clusters.first(customers(0, enough - 1)) is None
    assert first(customers(0, enough)).sizes.sum() == enough


def test_clusters_are_as_good_as_the_best_of_many_fits_and_keep_their_numbers() -> None:
    begun, ended = after(1), after(60)
    features = customers(60, drift=0.3)
    values = (features - features.mean(axis=0)) / features.std(axis=0)
    fits = [kmeans2(values, CLUSTERS, minit="++", rng=seed)[0] for seed in range(10)]
    best = min(inertia(values, centres) for centres in fits)
    ours = (ended.centres - features.mean(axis=0)) / features.std(axis=0)
    assert inertia(values, ours) <= 1.02 * best
    nearest = ((begun.centres[:, None] - ended.centres[None]) ** 2).sum(axis=2).argmin(axis=1)
    assert nearest.tolist() == list(range(CLUSTERS))


def test_clusters_go_on_from_their_bytes_as_if_they_had_never_been_written() -> None:
    assert after(12).encode() == after(7, found=Clusters.decode(after(5).encode()), begin=5).encode()


@given(order=st.permutations(range(500)))
def test_the_order_of_customers_plays_no_part(order: list[int]) -> None:
    features, drawn = customers(3, 500), np.arange(0, 500, 8)
    place = np.argsort(order)
    assert first(features[order]).encode() == first(features).encode()
    found = first(features)
    assert found.learnt(features[order], place[drawn]).encode() == found.learnt(features, drawn).encode()


def test_more_features_leave_numbers_as_they_were() -> None:
    before, now = after(5, width=3), after(1, found=after(5, width=3), begin=5)
    assert now.centres.shape == (CLUSTERS, 5)
    np.testing.assert_allclose(now.centres[:, :3], before.centres, atol=SCALE / 2)
    assert after(1, found=now, begin=6, width=3).centres.shape == (CLUSTERS, 3)


def test_a_cluster_that_loses_all_its_customers_stays() -> None:
    found = first(customers(0))
    others = customers(0)[found.nearest(customers(0)).clusters != 0]
    later = found.learnt(others, np.arange(0, len(others), 8))
    assert later.sizes.sum() == len(others)
    assert np.isfinite(later.centres).all()


def test_equal_customers_divide_by_no_zero() -> None:
    same = np.full((500, 5), 7)
    assert np.isfinite(first(same).learnt(same, np.arange(9)).centres).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PYTHONHASHSEED", "1"),
        ("PYTHONHASHSEED", "77"),
        ("OPENBLAS_CORETYPE", "Prescott"),
        ("NPY_DISABLE_CPU_FEATURES", "AVX2"),
    ],
)
def test_bytes_depend_on_no_hash_seed_and_no_kernel(name: str, value: str) -> None:
    code = "from tests.models.learning.test_clusters import after; print(after(5).encode().hex())"
    told = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {name: value},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == after(5).encode().hex()


SOUND = after(1).encode()


@pytest.mark.parametrize(
    "data", [b"", b"\1", SOUND[:-1], b"\x07\x00" + SOUND[2:], SOUND[:4] + b"\xff" * 8 + SOUND[12:]]
)
def test_bytes_that_are_no_clusters_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="clusters"):
        Clusters.decode(data)
