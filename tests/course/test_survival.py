"""Durations with some still waiting, against a published table and another algorithm."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esnb.course.survival import quantile, survival
from esnb.errors import InvalidEventError

# Weeks of remission of 21 patients with 6-MP (Freireich and others, Blood 21, 1963); + is censored.
WEEKS = "6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+"
# What Stata's `sts list` prints of them: week, waiting, share, and the 95% interval.
PUBLISHED = [
    (6, 21, 0.8571, 0.6197, 0.9516), (7, 17, 0.8067, 0.5631, 0.9228),
    (10, 15, 0.7529, 0.5032, 0.8894), (13, 12, 0.6902, 0.4316, 0.8491),
    (16, 11, 0.6275, 0.3675, 0.8049), (22, 7, 0.5378, 0.2678, 0.7468),
    (23, 6, 0.4482, 0.1881, 0.6801),
]  # fmt: skip

WATCHED = st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=25)


def remission():
    weeks = WEEKS.split()
    return survival([float(w.rstrip("+")) for w in weeks], ["+" not in w for w in weeks])


def test_the_published_table_of_a_famous_trial():
    curve = remission()
    found = curve.loc[curve["happened"] > 0, ["waiting", "share", "low", "high"]]
    assert found.index.tolist() == [week for week, *_ in PUBLISHED]
    assert np.allclose(found, [row for _, *row in PUBLISHED], atol=5.1e-5)
    assert quantile(curve) == 23
    assert np.isnan(quantile(curve, 0.9))


def redistributed(watched):
    """Efron's way (1967): equal weights; one that is censored hands its own on to the rest."""
    people = sorted(watched, key=lambda one: (one[0], not one[1]))
    weights = [Fraction(1, len(people))] * len(people)
    share, found = Fraction(1), {}
    for n, (time, happened) in enumerate(people):
        if happened:
            share -= weights[n]
        else:
            for later in range(n + 1, len(people)):
                weights[later] += weights[n] / (len(people) - n - 1)
        found[time] = share
    return found


@given(WATCHED)
def test_it_is_what_redistributing_to_the_right_gives(watched):
    curve = survival([time for time, _ in watched], [happened for _, happened in watched])
    wanted = redistributed(watched)
    assert curve.index.tolist() == list(wanted)
    assert np.allclose(curve["share"], [float(share) for share in wanted.values()])
    inside = curve.dropna()
    assert ((inside["low"] <= inside["share"]) & (inside["share"] <= inside["high"])).all()


@given(st.lists(st.integers(0, 9), min_size=1, max_size=25))
def test_when_all_have_happened_it_is_the_plain_share(days):
    curve = survival(days, [True] * len(days))
    assert np.allclose(curve["share"], [np.mean(np.array(days) > day) for day in curve.index])
    assert quantile(curve) == sorted(days)[(len(days) - 1) // 2]


@pytest.mark.parametrize(
    ("days", "happened", "says"),
    [
        ([1, 2], [True], "2 durations and 1 answers"),
        ([], [], "no duration"),
        ([1, -2], [True, True], "Duration 1 (counted from 0) is -2"),
        ([float("nan")], [False], "is nan"),
    ],
)
def test_what_cannot_be_used_is_said(days, happened, says):
    with pytest.raises(InvalidEventError) as refused:
        survival(days, happened)
    assert says in str(refused.value)
