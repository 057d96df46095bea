# SPDX-License-Identifier: BSD-2-Clause
"""The arithmetic behind `make bench`: its verdicts are only as good as this."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
import figures  # noqa: E402


def rounds(numbers):
    return dict(enumerate(numbers))


def test_the_interval_of_15_rounds_is_from_the_4th_to_the_12th_ratio():
    assert figures.interval([15, 1, 14, 2, 13, 3, 12, 4, 11, 5, 10, 6, 9, 7, 8]) == (4, 12)


@pytest.mark.parametrize("count,expected", [(5, (None, None)), (6, (1, 6)), (8, (1, 8)), (9, (2, 8))])
def test_few_rounds_give_a_wide_interval_or_none(count, expected):
    assert figures.interval(range(1, count + 1)) == expected


def test_only_figures_of_the_same_round_are_divided():
    ratio = figures.Ratio({0: 10.0, 1: 40.0, 3: 7.0}, {0: 10.0, 1: 20.0, 2: 1.0})
    assert ratio.count == 2
    assert ratio.median == pytest.approx(2**0.5)


def test_a_ratio_turns_over_with_its_subjects():
    fast, slow = rounds([90, 95, 99, 80, 120, 70, 101]), rounds([100.0] * 7)
    there, back = figures.Ratio(fast, slow), figures.Ratio(slow, fast)
    assert (there.median, there.low, there.high) == pytest.approx((1 / back.median, 1 / back.high, 1 / back.low))


def test_a_target_is_missed_only_when_the_whole_interval_is_on_the_wrong_side():
    ratio = figures.Ratio(rounds([0.85, 0.86, 0.87, 0.88, 0.89, 0.9]), rounds([1.0] * 6))
    assert ratio.verdict(0.95).endswith("**missed**")
    assert ratio.verdict(0.88).endswith(" met")
    assert ratio.verdict(0.88, at_most=True).endswith(" met")
    assert ratio.verdict(0.80, at_most=True).endswith("**missed**")


def test_failed_runs_and_other_scenarios_are_left_out():
    rows = [
        {"round": "0", "scenario": "a", "x": "1.5", "error": ""},
        {"round": "1", "scenario": "a", "x": "2.5", "error": "stalled"},
        {"round": "2", "scenario": "b", "x": "3.5", "error": ""},
        {"round": "3", "scenario": "a", "x": "", "error": ""},
    ]
    assert figures.by_round(rows, "x", scenario="a") == {"0": 1.5}
