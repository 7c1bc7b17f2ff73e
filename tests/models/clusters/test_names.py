"""Names of clusters: words that follow the centres, and no two alike."""

from __future__ import annotations

import numpy as np
import pytest

from models.clusters.features import FEATURES, Feature, shopping_features, values_of
from models.clusters.names import portraits_of
from models.learning.clusters import SCALE, Clusters
from models.state.shopping import Shopping


def clusters(*rows: tuple[float, float, float, float, float]) -> Clusters:
    """Clusters of trips a week, value, items, days between trips and discount share."""
    plain = np.array([*rows, *[(1.0, 30.0, 10.0, 7.0, 0.15)] * (8 - len(rows))])
    centres = np.column_stack([np.log(plain[:, :3]), np.log(plain[:, 3] + 1), plain[:, 4]]) * SCALE
    mean = np.array([np.log(1.0), np.log(30.0), np.log(10.0), np.log(8.0), 0.15]) * SCALE
    spread = np.array([1.0, 0.7, 0.8, 0.7, 0.07]) * SCALE
    return Clusters(centres, mean, spread, np.arange(8))


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ((2.0, 20.0, 6.0, 3.0, 0.15), "frequent small basket"),
        ((1.0, 70.0, 24.0, 7.0, 0.15), "weekly big shop"),
        ((0.4, 30.0, 10.0, 15.0, 0.15), "fortnightly medium shop"),
        ((0.1, 15.0, 5.0, 60.0, 0.3), "rare small shop, discount"),
        ((0.1, 15.0, 5.0, 60.0, 0.05), "rare small shop, full price"),
        ((1.0, 70.0, 5.0, 7.0, 0.15), "weekly big shop, costly items"),
        ((1.0, 20.0, 24.0, 7.0, 0.15), "weekly small shop, cheap items"),
    ],
)
def test_a_name_says_how_often_how_much_and_what_else_is_far_from_the_average(
    row: tuple[float, float, float, float, float], name: str
) -> None:
    assert portraits_of(clusters(row), FEATURES)[0].name == name


def test_no_two_clusters_have_one_name() -> None:
    names = [
        each.name
        for each in portraits_of(clusters((2.0, 15.0, 6.0, 3.0, 0.15), (2.0, 12.0, 6.0, 3.0, 0.15)), FEATURES)
    ]
    assert names[:2] == ["frequent small basket, larger", "frequent small basket, smaller"]
    assert names[2:] == [f"weekly medium shop, {number}" for number in range(1, 7)]


def test_traits_are_those_farthest_from_the_average_in_their_own_units() -> None:
    traits = portraits_of(clusters((2.0, 15.0, 10.0, 7.0, 0.3)), FEATURES)[0].traits
    assert [each.measure for each in traits] == ["discount_share", "basket_value", "trips_a_week"]
    assert [round(each.value, 2) for each in traits] == [0.3, 15.0, 2.0]
    assert [round(each.average, 2) for each in traits] == [0.15, 30.0, 1.0]


def test_features_come_back_in_their_units() -> None:
    # Eight weekly trips of 30 in three lines, with a discount of 10, all within the last 56 days.
    sums = np.array([[8.0, 240.0, 24.0, 80.0, 49.0, 0.0, 0.0]])
    found = values_of(shopping_features(Shopping(sums, np.array([7]), np.array([10_000]))))[0]
    assert found == pytest.approx([8 * 7 / 80.8, 30.0, 3.0, 7.0, 0.25], rel=0.01)


def test_who_left_long_ago_is_not_told_apart_from_who_left_longer_ago() -> None:
    sums = np.array([[1e-9, 1e-8, 1e-9, 0.0, 0.0, 0.0, 0.0], [1e-12, 1e-11, 1e-12, 0.0, 0.0, 0.0, 0.0]])
    features = shopping_features(Shopping(sums, np.array([900, 900]), np.array([1000, 1000])))
    assert features[0].tolist() == features[1].tolist()


def test_a_group_that_leads_is_named() -> None:
    plain = clusters((1.0, 30.0, 10.0, 7.0, 0.3))
    more = Clusters(
        np.column_stack([plain.centres, np.full(8, 205)]),
        np.append(plain.mean, 102.4),
        np.append(plain.spread, 100.0),
        plain.sizes,
    )
    portrait = portraits_of(more, (*FEATURES, Feature("share_of:produce", "share", float("nan"))))[0]
    assert portrait.name == "weekly medium shop, produce-led, 1"
    assert ("share_of:produce", 0.2, 0.1) in [
        (trait.measure, round(trait.value, 2), round(trait.average, 2)) for trait in portrait.traits
    ]
