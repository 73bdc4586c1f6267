"""Sentences of lesson 00 about its panel that no cell prints."""

from simulations.cross_validation_pitfalls import selection_outside_folds


def scores(n_scans, n_features):
    draws = selection_outside_folds(
        n_scans=n_scans, n_features=n_features, n_selected=20, rule="nearest centroid", repeats=100
    ).draws
    return [draws[name].mean() for name in ("reported", "honest", "true")]


def test_more_features_are_worse_and_more_scans_help_slowly():
    reported = [scores(40, p)[0] for p in (20, 100, 1000)]
    assert 0.47 < reported[0] < 0.53 < 0.75 < reported[1] < 0.93 < reported[2] < 0.965
    reported, honest, true = scores(80, 1000)
    assert 0.36 < reported - true < 0.40
    assert abs(honest - 0.5) < 0.03
