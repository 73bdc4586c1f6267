"""The flawed study: every flaw does what is said of it, and the computation is that of scikit-learn."""

import functools
from dataclasses import replace

import numpy as np
import pytest
from harness import repetitions
from scipy import stats
from sklearn.linear_model import Ridge

from review import FLAWS, simulate_study, study
from review.flaws import MOVING
from review.training import Training

MOVING = list(MOVING.values())


def carried_out(seed, planted, active, **options):
    return study.carry_out(study.plan(seed, tuple(planted)), active, **options)


@functools.cache
def sound_studies():
    return [simulate_study(seed, flaws=()) for seed in range(repetitions(40, 120))]


def mean_and_error(found):
    return np.mean(found), np.std(found, ddof=1) / np.sqrt(len(found))


# The flaws


@pytest.mark.parametrize("name", MOVING)
def test_a_flaw_that_moves_the_score_makes_it_too_good(name):
    planted = {name, "sites"} if name == "harmonised" else {name}
    shares, optimism = [], []
    for seed in range(repetitions(12, 36)):
        flawed = carried_out(seed, planted, planted)
        shares.append(flawed.reported - carried_out(seed, planted, planted - {name}, truth=False).reported)
        optimism.append(flawed.reported - flawed.true)
    for found in (shares, optimism):
        mean, error = mean_and_error(found)
        assert mean > max(0.01, 2 * error)


def test_an_accuracy_of_mostly_patients_is_right_and_says_little():
    found = [carried_out(seed, {"majority"}, {"majority"}) for seed in range(repetitions(40, 120))]
    mean, error = mean_and_error([one.reported - one.true for one in found])
    assert abs(mean) < 3 * error + 0.015  # folds learn from four fifths of the people
    assert np.mean([one.true for one in found]) == pytest.approx(0.75, abs=0.03)
    assert np.mean([one.balanced for one in found]) == pytest.approx(0.56, abs=0.02)


def test_a_study_without_flaws_is_honest():
    """On average; a little pessimistic, because every fold learns from four fifths of the people."""
    mean, error = mean_and_error([one.result.reported - one.result.true for one in sound_studies()])
    assert mean == pytest.approx(-0.015, abs=max(3 * error, 0.01))
    assert np.mean([one.result.true for one in sound_studies()]) == pytest.approx(0.62, abs=0.03)


def test_mixed_folds_are_too_kind_where_the_disease_differs_between_sites():
    """Folds that hold all sites answer for these sites (S2); the more sites differ, the less for others."""
    found = []
    for size in (0.0, 0.2, 0.3):
        some = [simulate_study(seed, flaws=(), site_effects=size).result for seed in range(20)]
        found.append(mean_and_error([one.reported - one.true for one in some]))
    (same, error), (different, other), (more, _) = found
    assert different - same > 2 * np.hypot(error, other) and more > different > 0.02


def test_a_consequence_of_the_diagnosis_and_a_scanner_do_harm_where_they_are_missing():
    for name in ("target", "sites"):
        lost = [
            carried_out(seed, {name}, ()).true - carried_out(seed, {name}, {name}).true for seed in range(20)
        ]
        assert np.mean(lost) > 0.02


def test_an_interval_that_counts_people_holds_the_truth_far_more_often_than_one_that_counts_splits():
    def holds(one):
        low, high = one.bar
        return low <= one.result.true <= high

    people = np.mean([holds(one) for one in sound_studies()])
    splits = np.mean([holds(simulate_study(seed, flaws=["error_bar"])) for seed in range(30)])
    assert people > 0.75
    assert splits < 0.4


def test_a_t_test_over_folds_finds_what_is_not_there():
    alarms = []
    for seed in range(24):
        design = replace(study.plan(seed, ("t_test",)), strength=(0.0,))
        folds = study.carry_out(design, (), repetitions=20, truth=False).fold_scores
        assert len(folds) == 100
        alarms.append(stats.ttest_1samp(folds, 0.5).pvalue < 0.05)
    assert np.mean(alarms) > 0.3


def test_claims_do_not_move_the_score():
    claims = [name for name, flaw in FLAWS.items() if flaw.kind == "claim"]
    for seed in range(3):
        claimed, sound = simulate_study(seed, flaws=claims), simulate_study(seed, flaws=())
        assert claimed.result.reported == sound.result.reported


# The computation


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("n", [60, 200])
def test_the_classifier_is_ridge_regression(n, weighted):
    rng = np.random.default_rng(n)
    X, y, site = rng.normal(size=(n, 120)), (np.arange(n) % 3 > 0).astype(int), np.arange(n) % 4
    fold = np.arange(n)[None] % 5
    training = Training(X[None], y[None], site, fold, folds=5, centred=0, weighted=weighted)
    # The last training set are all scans.
    [[[*_, found]]] = training.fit([(np.arange(120), (None,), (30.0,))])
    level = training.middle[0, -1] - training.centre[0, -1] @ found
    weights = np.where(y == 1, 0.5 / np.mean(y == 1), 0.5 / np.mean(y == 0)) if weighted else np.ones(n)
    other = Ridge(30.0).fit(X / X.std(0), 2 * y - 1, sample_weight=weights)
    new = rng.normal(size=(10, 120))
    np.testing.assert_allclose(new @ found + level, other.predict(new / X.std(0)), atol=1e-8)


def test_folds_keep_people_together_and_patients_in_equal_shares():
    person = np.repeat(np.arange(50), np.random.default_rng(0).integers(1, 4, 50))
    y = person % 2
    fold = study.deal(person, y, np.random.default_rng(1))
    assert all(len(set(fold[person == one])) == 1 for one in range(50))
    patients = [len(set(person[(fold == one) & (y == 1)])) for one in range(5)]
    assert patients == [5] * 5


def test_a_repaired_study_has_the_same_people():
    design = study.plan(3, ("selection", "duplicates"))
    one, other = (study.carry_out(design, active).counts["rows"] for active in ({"selection"}, ()))
    np.testing.assert_array_equal(one.X, other.X)
    twins = study.carry_out(design, {"duplicates"}).counts["rows"]
    np.testing.assert_array_equal(twins.X[: len(one.X)], one.X)


@pytest.mark.parametrize("name", ["selection", "sites", "target", "majority", "none"])
@pytest.mark.parametrize("site_effects", [0.0, 0.3])
def test_the_true_score_is_that_of_many_new_people_at_new_sites(name, site_effects):
    """Scans of new people, drawn one by one, of a model of which only the weights are known."""
    rng = np.random.default_rng(5)
    adjusted, per_site, sites = name != "sites", study.NEW_PER_SITE, 4000
    active = {name} & set(FLAWS)
    design = replace(study.plan(3, tuple(active)), site_effects=site_effects)
    weights = rng.normal(size=120) / 20 + study.directions(design)[0]
    of_dose = [0.3] if name == "target" else []
    low = -design.patients * (weights @ study.directions(design)[0]) if not adjusted else 0.1
    shift = study.directions(design)[0] + site_effects * rng.normal(size=(sites, 120))
    y = np.arange(per_site) < design.patients * per_site
    # What 120 independent features add up to in a linear model, drawn at once.
    output = np.linalg.norm(weights) * rng.normal(size=(sites, per_site)) + y * (shift @ weights)[:, None]
    output += 0.6 * np.linalg.norm(weights) * rng.normal(size=(sites, 1))
    output -= adjusted * output.mean(1, keepdims=True)
    output += low + (of_dose or [0])[0] * rng.normal(size=(sites, per_site))
    expected = np.mean(output[:, y] > 0), np.mean(output[:, ~y] <= 0)
    rates = []
    for seed in range(400):
        one = replace(design, seed=seed)
        found = study._rates(one, np.array([[*weights, *of_dose]]), np.array([low]), adjusted)
        rates.append([rate.mean() for rate in found])
    error = np.std(rates, axis=0) / np.sqrt(len(rates))
    np.testing.assert_array_less(np.abs(np.mean(rates, axis=0) - expected), 4 * error + 0.004)


def test_accuracy_is_compared_with_accuracy(monkeypatch):
    monkeypatch.setattr(study, "_rates", lambda *model: (np.full((1, 10), 0.9), np.full((1, 10), 0.2)))
    one, other = (carried_out(3, {name}, {name}) for name in ("majority", "seeds"))
    assert one.reported == pytest.approx(np.mean((one.output > one.cut) == one.y))
    assert one.true == pytest.approx(0.8 * 0.9 + 0.2 * 0.2) and one.balanced == pytest.approx(0.55)
    assert other.true == other.balanced == pytest.approx(0.55)


# Stacks


def stacks(planted, studies=20, per_site=12):
    planned = study.plan_stacks(np.random.default_rng(1), tuple(planted), per_site, studies)
    return [design for _, design in planned]


@pytest.mark.parametrize("name", sorted(study.LATER))
def test_the_first_run_is_the_study_without_the_flaw(name):
    for design in stacks({name}):
        flawed, honest = study.carry_out_stack(design, {name}), study.carry_out_stack(design, ())
        np.testing.assert_array_equal(flawed.first, honest.reported)
        assert (flawed.reported != honest.reported).any()


def test_designs_of_many_studies_are_like_those_of_papers():
    drawn = [study.plan(seed, ("sites",)) for seed in range(400)]
    planned = stacks({"sites"}, 40)
    assert sum(design.studies for design in planned) == 40
    repeated = sum(design.studies for design in planned if design.repeated) / 40
    kept = np.mean([number == 20 for design in planned for number in design.kept])
    strength = np.mean([number for design in planned for number in design.strength])
    assert repeated == pytest.approx(np.mean([design.repeated for design in drawn]), abs=0.08)
    assert kept == pytest.approx(np.mean([one.kept == (20,) for one in drawn]), abs=0.08)
    assert strength == pytest.approx(np.mean([one.strength for one in drawn]), abs=0.03)
    for name in FLAWS:
        whole = study.plan(0, (name,))
        assert {(one.patients, one.harmonises) for one in stacks({name})} == {
            (whole.patients, whole.harmonises)
        }
        assert any(one.repeated == whole.repeated for one in stacks({name}))


@pytest.mark.parametrize("studies", [1, 6])
def test_scans_of_a_person_agree_as_they_should(studies):
    design = replace(study.plan(0, ("repeated",)), per_site=100, strength=(0.4,) * studies)
    X, person = study._scan(design)
    site = np.repeat(range(4), 100)[person]
    X = X - np.stack([X[:, site == k].mean(1) for k in range(4)], 1)[:, site]
    first = np.flatnonzero(np.diff(person, prepend=-1))
    assert X.var() == pytest.approx(1, abs=0.02)
    assert (X[:, first] * X[:, first + 1]).mean() == pytest.approx(study.RELIABILITY, abs=0.02)
    last = first[np.bincount(person) == 3] + 2
    assert (X[:, last] * X[:, last - 1]).mean() == pytest.approx(study.RELIABILITY, abs=0.02)


def test_patients_differ_between_sites_as_much_as_asked_for():
    design = replace(study.plan(0, ()), per_site=4000, strength=(0.4,), site_effects=0.3)
    rows = study.recruit_scans(design, ())
    found = []
    for k in range(4):
        here, patient = rows.site == k, rows.y[0] == 1
        found.append(rows.X[0, here & patient].mean(0) - rows.X[0, here & ~patient].mean(0))
    assert np.std(found, axis=0, ddof=1).mean() == pytest.approx(0.3 * 0.92, abs=0.03)  # sd of four, unbiased
    np.testing.assert_allclose(np.mean(found, axis=0).std() ** 2, 0.4**2 / 10 + 0.09 / 4, atol=0.012)
