"""Calibration: confidences that are as honest as can be, and how honest they are."""

import numpy as np
import pytest

from genrebeam.model.calibration import (
    expected_calibration_error,
    fit_temperature,
    reliability_curve,
)


def test_temperature_finds_what_made_logits_too_sure():
    rng = np.random.default_rng(0)
    honest = rng.normal(size=(4000, 1, 3))
    chances = np.exp(honest[:, 0]) / np.exp(honest[:, 0]).sum(axis=1, keepdims=True)
    targets = np.array([rng.choice(3, p=chance) for chance in chances])
    assert fit_temperature(list(honest * 3), targets) == pytest.approx(3, rel=0.1)


def test_calibration_error_of_honest_and_of_boastful_confidences():
    correct = np.array([True, False] * 50)
    assert expected_calibration_error(np.full(100, 0.5), correct) == 0
    assert expected_calibration_error(np.full(100, 1.0), correct) == 0.5


def test_calibration_error_counts_a_repeated_track_as_often():
    confidences, correct = np.array([0.2, 0.9, 0.95]), np.array([False, True, False])
    repeated = np.array([0, 1, 1, 1, 2, 2])
    assert expected_calibration_error(
        confidences, correct, weights=np.array([1, 3, 2])
    ) == pytest.approx(expected_calibration_error(confidences[repeated], correct[repeated]))


def test_calibration_error_is_the_reliability_curves_distance_from_the_diagonal():
    rng = np.random.default_rng(0)
    confidences = rng.random(500)
    correct = rng.random(500) < confidences**2
    filled = [b for b in reliability_curve(confidences, correct) if b["count"]]
    error = sum(b["count"] * abs(b["confidence"] - b["accuracy"]) for b in filled) / 500
    assert expected_calibration_error(confidences, correct) == pytest.approx(error, abs=1e-4)


def test_empty_bins_of_the_reliability_curve_say_nothing():
    first, *_, last = reliability_curve(np.array([1.0]), np.array([True]))
    assert first == {"low": 0.0, "high": 0.1, "count": 0, "confidence": None, "accuracy": None}
    assert last == {"low": 0.9, "high": 1.0, "count": 1, "confidence": 1.0, "accuracy": 1.0}
