"""Properties of every public function of utils, tried with many random inputs.

Any valid parameters give finite results in range, and any invalid ones an error that names the parameter;
whatever a learner's table or function is like, the answer is a report, a verdict or a sentence, never a
traceback of ours. The inputs are drawn by hypothesis, the same in every run. To look deeper::

    EXAMPLES=2000 python -m pytest -p no:nbval tests/test_properties.py

With EXAMPLES set, the inputs differ from run to run (``--hypothesis-seed=3`` repeats one).
"""

import inspect
import os
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from test_explorable import LESSONS, panels_of

from utils import checks, cohort, data, experiments, figures, replicates, review, welcome
from utils.experiments import Experiment, ParameterError

MANY = int(os.environ.get("EXAMPLES", 0))


def trials(few):
    """So many examples, or as many as the variable EXAMPLES says."""
    return settings(max_examples=MANY or few, derandomize=not MANY, deadline=None, database=None,
                    suppress_health_check=list(HealthCheck), print_blob=False)


# Experiments: the parameters that their docstrings allow, small. `one` draws from a strategy.

WHOLE = [value for value in vars(experiments).values() if isinstance(value, Experiment)] + [review.one_flaw]
IDS = [one.__name__ for one in WHOLE]
# Sizes of an effect: what a study has, and the ends of what is allowed.
ABOVE = st.floats(0.05, 4) | st.sampled_from([1e-9, 0.001, 30.0, 1000.0])
ANY = st.just(0.0) | ABOVE | ABOVE.map(lambda size: -size)
FROM_0 = st.just(0.0) | ABOVE
SHARE = st.floats(0, 1).map(lambda share: 0.0 if share < 1e-9 else share) | st.sampled_from([0, 1])
PENALTY = st.sampled_from([1e-9, 1e-4, 0.01, 1.0, 30.0, 1000.0])
DISTANCE_RULES = st.sampled_from(["nearest neighbour", "nearest centroid"])
SIGNED = {"weights", "pooled", "within", "intercept", "slope"}  # draws that may be negative


def between(low, high):
    return st.floats(low, high, allow_subnormal=False)


def rising(low, high, *, most=4, step=1):
    numbers = st.lists(st.integers(low // step, high // step), min_size=1, max_size=most, unique=True)
    return numbers.map(lambda chosen: tuple(step * number for number in sorted(chosen)))


def even(low, high):
    return st.integers(low // 2, high // 2).map(lambda half: 2 * half)


def multiple(of, low, high):
    return st.integers(-(-low // of), high // of).map(lambda times: of * times)


def valid(name, one):
    """Parameters that the experiment of this name must accept."""
    features = st.integers(1, 30)
    if name == "selection_outside_folds":
        n, p = one(even(4, 30)), one(features)
        return {"n_scans": n, "n_features": p, "n_selected": one(st.integers(1, p)), "effect": one(ANY),
                "n_informative": one(st.integers(0, 40)), "rule": one(DISTANCE_RULES), "signed": one(st.booleans()),
                "n_folds": one(st.integers(2, n // 2)), "n_new": one(st.integers(1, 20))}
    if name == "repeated_scans":
        n = one(even(4, 20))
        return {"n_subjects": n, "scans_per_subject": one(st.integers(1, 4)), "reliability": one(SHARE), "effect": one(ANY),
                "n_features": one(features), "rule": one(st.sampled_from(["nearest neighbour", "linear"])),
                "n_folds": one(st.integers(2, n // 2)), "n_new": one(st.integers(1, 20))}
    if name == "best_of_many":
        folds = one(st.integers(3, 6))
        return {"varied": one(st.sampled_from(["analyses", "seeds", "coin tosses"])), "n_tried": one(st.integers(1, 8)),
                "n_folds": folds, "n_scans": one(multiple(2 * folds, 2 * folds, 40)), "likeness": one(SHARE),
                "effect": one(ANY), "n_features": one(features)}
    if name == "tuned_kernel_ridge":
        folds = one(st.integers(2, 4))
        return {"n_scans": one(even(2 * folds, 20)), "n_features": one(features), "n_folds": folds}
    if name == "cross_validation_error":
        scheme = one(st.sampled_from(experiments.SCHEMES))
        return {"scheme": scheme, "n_scans": one(multiple(10, 10, 40)), "effect": one(ANY), "n_features": one(features),
                "ridge": one(PENALTY), "penalise_intercept": one(st.booleans())}
    if name == "two_equal_learners":
        n = one(even(10, 40))
        return {"n_scans": n, "n_splits": one(st.integers(2, 10)), "test_share": one(between(1 / n, 0.5)), "effect": one(ANY),
                "n_features": one(features)}
    if name == "permutation_tests":
        folds, scans = one(st.integers(2, 4)), one(st.integers(1, 3))
        n = one(multiple(2 * folds, 2 * folds, 24))
        most = int(n * scans * (folds - 1) / folds - 1 - 1e-9)
        assume(most >= 1)
        return {"n_subjects": n, "scans_per_subject": scans, "reliability": one(SHARE), "n_folds": folds,
                "n_features": one(st.integers(1, most)), "n_permutations": one(st.integers(19, 25))}
    if name == "wrong_labels":
        return {"where": one(st.sampled_from(experiments.WRONG_AMONG)), "n_scans": one(even(4, 40)), "n_features": one(features),
                "effect": one(ABOVE), "rule": one(DISTANCE_RULES), "n_test": one(even(2, 20)),
                "rates": tuple(one(st.lists(SHARE.map(lambda share: share / 2), min_size=1, max_size=4)))}
    if name == "kinds_of_wrong_labels":
        return {"kind": one(st.sampled_from(experiments.KINDS)), "rate": one(SHARE.map(lambda share: 0.4 * share)),
                "prevalence": one(between(0.05, 0.95)), "n_scans": one(st.integers(20, 60)), "effect": one(ABOVE)}
    if name == "shared_errors":
        return {"through": one(st.sampled_from(experiments.SHARED)), "rater_accuracy": one(between(0.55, 0.99)),
                "effect": one(ABOVE), "n_scans": one(even(4, 40)), "n_features": one(st.integers(2, 30)),
                "shares": tuple(one(st.lists(SHARE, min_size=1, max_size=4))), "n_test": one(even(2, 20))}
    if name == "labels_or_architecture":
        return {"signal": one(st.sampled_from(experiments.SIGNALS)), "worst": one(between(0.001, 0.45)), "centre": one(ANY),
                "models": one(st.sampled_from(list(experiments.MODEL_SETS))), "n_scans": one(multiple(4, 20, 40)),
                "effect": one(ANY), "n_new": one(multiple(4, 4, 20))}
    if name == "scans_or_raters":
        raters = st.lists(st.sampled_from([1, 3, 5, 7, 9]), min_size=1, max_size=4)
        return {"rating_cost": one(SHARE), "rater_error": one(SHARE.map(lambda share: 0.45 * share)), "shared": one(SHARE),
                "budget": one(between(100, 160)), "rule": one(DISTANCE_RULES), "effect": one(ABOVE), "n_features": one(features),
                "raters": tuple(one(raters)), "n_test": one(even(2, 20))}
    if name == "complexity_of_the_model":
        return {"n_scans": one(multiple(10, 10, 40)), "effect": one(ANY), "n_informative": one(st.integers(1, 40)),
                "ridge": one(PENALTY), "feature_counts": one(rising(1, 60))}
    if name == "learning_curve_of_lda":
        sizes = one(rising(6, 60, step=2))
        return {"sizes": sizes, "n_features": one(st.integers(1, sizes[0] - 4)), "effect": one(ABOVE),
                "rule": one(st.sampled_from(["LDA", "nearest centroid"]))}
    if name == "publication_filter":
        return {"effect": one(ANY), "publish_from": one(SHARE), "n_features": one(features), "ridge": one(PENALTY),
                "sizes": one(rising(10, 60, step=10))}
    if name == "regional_mri":
        return {"regions": one(st.sampled_from(experiments.REGIONS)), "strength": one(ABOVE), "ridge": one(PENALTY),
                "sizes": one(rising(10, 80))}
    if name == "tests_of_hidden_signal":
        return {"shape": one(st.sampled_from(experiments.SHAPES)), "n_scans": one(even(10, 40)), "strength": one(FROM_0)}
    if name == "bias_and_variance":
        return {"straight": one(FROM_0), "hidden": one(FROM_0), "n_noise": one(st.integers(0, 4)),
                "sizes": one(rising(4, 40, step=2)), "n_new": one(even(2, 20))}
    if name == "shrinkage_sweep":
        folds, p = one(st.integers(2, 4)), one(features)
        return {"n_folds": folds, "n_scans": one(multiple(2 * folds, 4 * folds, 40)), "n_features": p, "effect": one(ANY),
                "n_informative": one(st.integers(1, p)), "thresholds": tuple(one(st.lists(FROM_0, min_size=1, max_size=4)))}
    if name == "region_mean":
        p = one(st.integers(2, 30))
        return {"n_scans": one(even(4, 30)), "n_voxels": p, "n_affected": one(st.integers(1, p)), "effect": one(ANY),
                "place": one(st.sampled_from(experiments.PLACES)), "likeness": one(SHARE.map(lambda share: 0.99 * share)),
                "n_new": one(even(2, 20))}
    if name == "planted_defect":
        return {"defect": one(st.sampled_from(experiments.DEFECTS)), "n_scans": one(st.sampled_from([100, 200])), "effect": one(ANY)}
    if name == "two_sites_paradox":
        return {"n_per_site": one(st.integers(3, 30)), "distance": one(ANY), "within": one(between(-0.999, 0.999).map(_visible))}
    if name == "scanner_mark":
        return {"agreement": one(between(0.5, 1)), "brightness": one(FROM_0), "effect": one(ANY),
                "n_scans": one(multiple(20, 20, 40)), "size": one(st.integers(16, 20))}
    if name == "site_shortcut":
        return {"prevalence": one(between(0.1, 0.9)), "site_mark": one(FROM_0), "effect": one(ANY),
                "n_per_site": one(st.sampled_from([50, 100]))}
    if name == "harmonised_sites":
        sites = one(st.integers(2, 9))
        return {"n_sites": sites, "n_subjects": one(multiple(int(np.lcm(5, sites)), max(60, 10 * sites), 120)), "effect": one(ANY),
                "imbalance": one(SHARE.map(lambda share: 0.4 * share)), "site_mark": one(FROM_0), "n_features": one(features),
                "ridge": one(PENALTY), "score": one(st.sampled_from(["AUC", "accuracy"]))}
    if name == "external_scaling":
        return {"prevalence": one(between(0.05, 0.95)), "scanner_shift": one(ANY), "effect": one(ABOVE),
                "n_external": one(st.integers(40, 80))}
    if name == "prevalence_shift":
        inside, outside = one(between(0.02, 0.98)), one(between(0.02, 0.98))
        n = one(st.integers(20, 500))
        assume(8 <= round(n * outside) <= n - 8)
        return {"prevalence_inside": inside, "prevalence_outside": outside, "effect": one(ABOVE), "n_external": n}
    if name == "sites_of_a_consortium":
        counts = one(st.sampled_from([(1,), (2,), (1, 2, 4), (2, 10), (1, 5), (4, 20)]))
        n, p = one(multiple(40, 40, 80)), one(st.integers(1, 15))
        return {"n_subjects": n, "site_counts": counts, "heterogeneity": one(FROM_0), "effect": one(ANY), "n_features": p,
                "n_external": one(even(2, 30)), "n_informative": one(st.integers(1, p)), "n_new_sites": one(st.integers(1, 4))}
    if name == "one_flaw":
        return {"flaw": one(st.sampled_from(list(review.MOVING.values()))), "per_site": one(st.integers(10, 16))}
    raise NotImplementedError(f"{name} needs its parameters here")


def _visible(number):
    return 0.0 if abs(number) < 1e-9 else number


def read(sentence):
    assert sentence and "\n" not in sentence
    assert not {"nan", "inf", "-inf"} & set(sentence.replace("(", " ").replace(",", " ").replace(";", " ").lower().split()), sentence


@pytest.mark.parametrize("run", WHOLE, ids=IDS)
def test_valid_parameters_give_finite_scores_in_range(run):
    @trials(6)
    @given(st.data())
    def check(data):
        parameters = valid(run.__name__, data.draw)
        repeats = data.draw(st.integers(1, run.block + 1))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            outcome = run(**parameters, repeats=repeats, seed=data.draw(st.integers(0, 2**40)))
        read(outcome.sentence)
        assert outcome.repeats == repeats
        for name, values in outcome.draws.items():
            assert len(values) == repeats and np.isfinite(values).all(), name
            if name in SIGNED:
                assert name in ("intercept", "slope") or np.abs(values).max() <= 1 + 1e-9, name
            else:
                assert values.min() >= 0 and values.max() <= 1 + 1e-9, (name, values.min(), values.max())

    check()


NONE_OF_ANY = [None, "", "3", "many", [], {}, 1j, object(), [[1]], float("nan")]
WRONG = {
    int: [2.5, 3.0, float("inf"), -1, -(10**9), 10**12, 10**400, True, (1,), np.float64(3)],
    float: [float("inf"), -float("inf"), 1e300, -1e300, 10**400, 1e-300, True, (0.5,)],
    bool: [2, 0, "yes"],
    str: ["no such name", 3, ("linear",), ["linear"]],
    tuple: [5, (), "123", ("a",), (float("nan"),), (float("inf"),), (-1,), (True,), {1, 2}, ((1,),), (2, 1e300), range(10**7)],
}


@pytest.mark.parametrize("run", WHOLE, ids=IDS)
def test_invalid_parameters_are_named(run):
    for name, kind in [*run._kinds.items(), ("repeats", int), ("seed", int)]:
        for value in [*NONE_OF_ANY, *WRONG[kind]]:
            if name == "seed" and isinstance(value, int) and value > 1:
                continue  # a seed may be any number from 0
            with pytest.raises(ParameterError) as error:
                run(**{"repeats": 1, name: value})
            assert name in str(error.value) and len(str(error.value)) < 1000, (name, value)


def test_a_list_or_an_array_serves_as_well_as_brackets():
    by = [run(sizes=kind((20, 40)), repeats=2).draws["true"]
          for run in (experiments.learning_curve_of_lda,) for kind in (tuple, list, np.array)]
    np.testing.assert_array_equal(by[0], by[1])
    np.testing.assert_array_equal(by[0], by[2])


def test_what_does_not_fit_into_memory_is_named(monkeypatch):
    run = experiments.two_sites_paradox

    def too_much(**parameters):
        raise MemoryError

    monkeypatch.setattr(run, "_simulate", too_much)
    with pytest.raises(ParameterError, match=r"n_per_site is 99999, which .*needs more memory than there is. Make it smaller"):
        run(n_per_site=99_999, repeats=1)


# Figures: outcomes at the ends of what scores can be, for every panel of the lessons

PANELS = {(one.__name__, getattr(draw, "func", draw).__name__): (one, draw) for lesson in LESSONS
          for (one, draw), _ in panels_of(lesson)}
ENDS = st.sampled_from(["as they are", "all 0", "all 1", "half and half", "any", "the middle"])


def moved(values, end, low, rng):
    values = np.array(values, float)
    if end == "all 0":
        values[:] = 0
    elif end == "all 1":
        values[:] = 1
    elif end == "half and half":
        values = rng.integers(2, size=values.shape) * (1 - low) + low
    elif end == "any":
        values = rng.uniform(low, 1, values.shape)
    elif end == "the middle":
        values[:] = 0.5
    return values


def test_every_drawing_of_an_outcome_is_in_a_panel():
    public = {name for name, one in vars(figures).items() if inspect.isfunction(one) and not name.startswith("_")
              and one.__module__ == "utils.figures"}
    assert public - {"published_study", "what_was_wrong"} == {name for _, name in PANELS}


@pytest.mark.parametrize(("run", "draw"), PANELS.values(), ids=["-".join(names) for names in PANELS])
def test_outcomes_at_the_ends_are_drawn_anew_and_in_place(run, draw):
    start = run(repeats=2)
    made = draw(start)
    made.set_dpi(30)  # quick

    @trials(1)
    @given(ENDS, st.integers(1, 4), st.integers(0, 1000))
    def check(end, repeats, seed):
        rng = np.random.default_rng(seed)
        draws = {}
        for name, values in start.draws.items():
            low = -1 if name in SIGNED else 0
            some = np.repeat(values, repeats, axis=0)[:repeats]
            draws[name] = some if name == "label" else moved(some, end, low, rng)
        outcome = experiments.Outcome(draws=draws, parameters=start.parameters, read=lambda *_: "Nothing.")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert draw(outcome, made) is made
            for figure in [made, draw(outcome)] if MANY or end == "all 0" else [made]:
                figure.set_dpi(30)
                canvas = FigureCanvasAgg(figure)
                canvas.draw()
                for artist in figure.moving:
                    figure.draw_artist(artist)
                assert np.ptp(canvas.buffer_rgba()) > 100

    check()


# Replicates: any stack within reach, against definitions


@trials(20)
@given(st.data())
def test_rules_of_stacks_are_finite_and_fulfil_their_equations(data):
    n, p, repeats = data.draw(st.integers(4, 12)), data.draw(st.integers(1, 15)), data.draw(st.integers(1, 3))
    ridge = data.draw(st.sampled_from([0.1, 1.0, 100.0]))
    X = data.draw(st.sampled_from([1e-3, 1.0, 1e3])) * np.random.default_rng(data.draw(st.integers(0, 1000))).standard_normal((repeats, n, p))
    labels = np.arange(n) % 2
    targets = 2.0 * labels - 1
    penalise = data.draw(st.booleans())
    weights, intercepts = replicates.linear_rule(X, targets, ridge, penalise_intercept=penalise)
    H = replicates.hat_matrix(X, ridge, penalise_intercept=penalise)
    np.testing.assert_allclose((H @ targets), (X @ weights[..., None])[..., 0] + intercepts[:, None], atol=1e-6)
    tests = np.arange(n - n % 2).reshape(-1, 2)
    scores = replicates.cross_validated_scores(X, targets, tests, ridge, penalise_intercept=penalise)
    one = int(data.draw(st.integers(0, len(tests) - 1)))
    rest = np.setdiff1d(np.arange(n), tests[one])
    w, b = replicates.linear_rule(X[:, rest], targets[rest], ridge, penalise_intercept=penalise)
    np.testing.assert_allclose(scores[:, one], (X[:, tests[one]] @ w[..., None])[..., 0] + b[:, None], rtol=1e-5, atol=1e-5)
    accuracy = replicates.accuracy_on_new_subjects(weights, intercepts, np.array([np.zeros(p), np.ones(p)]))
    assert accuracy.shape == (repeats,) and ((accuracy >= 0) & (accuracy <= 1)).all()
    chosen = replicates.select_by_correlation(X, labels, data.draw(st.integers(1, p)), signed=data.draw(st.booleans()))
    assert all(len(set(row)) == len(row) for study in chosen for row in study) and chosen.min() >= 0 and chosen.max() < p
    folds = replicates.stratified_folds(labels, 2)
    products = replicates.gram(X, X)
    apart = folds[:, None] != folds
    nearest = replicates.nearest_neighbour(products, np.einsum("rii->ri", products), labels, apart)
    distance = np.where(apart, np.linalg.norm(X[:, :, None] - X[:, None], axis=-1), np.inf)
    at = np.take_along_axis(distance, distance.argsort(axis=-1)[..., :2], axis=-1)
    clear = at[..., 1] - at[..., 0] > 1e-6 * at[..., 1]
    np.testing.assert_array_equal(nearest[clear], labels[distance.argmin(axis=-1)][clear])
    assert np.isfinite(replicates.nearest_centroid(X, X, labels)).all()
    W, B = replicates.shrunken_centroids(X[:, : n - n % 2], labels[: n - n % 2], [0, data.draw(st.floats(0, 100))])
    assert np.isfinite(W).all() and np.isfinite(B).all() and (np.abs(W[:, 1]) <= np.abs(W[:, 0]) + 1e-12).all()


# The simulated cohort, its truth and its pictures


@trials(12)
@given(st.data())
def test_any_cohort_is_finite_and_knows_its_truth(data):
    one = data.draw
    sites = one(st.integers(1, 5))
    kind = one(st.sampled_from(["none", "symmetric", "by_class", "by_features"]))
    error = {"none": st.just(0), "symmetric": between(0, 0.5), "by_class": st.tuples(SHARE, SHARE), "by_features": between(0, 0.45)}[kind]
    groups = st.dictionaries(st.sampled_from(cohort.GROUPS), between(0.01, 1), max_size=2)
    settings = {
        "n_subjects": one(st.integers(sites, 40)), "n_sites": sites,
        "sessions_per_subject": one(st.integers(1, 3) | st.tuples(st.just(1), st.integers(1, 4))),
        "prevalence": one(SHARE | st.lists(SHARE, min_size=sites, max_size=sites)), "site_shift": one(between(0, 10)),
        "site_scale": one(between(0, 1)), "effect": one(between(0, 10) | groups), "reliability": one(st.none() | between(0.01, 1) | groups),
        "label_error": one(error), "label_error_kind": kind, "missing": one(between(0, 0.9)), "missing_severity": one(between(-5, 5)),
        "missing_site": one(between(0, 5)), "n_noise_features": one(st.integers(0, 3)), "hemispheres": one(st.booleans()),
        "seed": one(st.integers(0, 2**40)),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study = cohort.simulate_cohort(**settings)
        pictures = cohort.render_slices(study, size=24, counts=one(st.sampled_from([1, 60, 100_000])), blur=one(between(0, 0.2)),
                                        mark=one(st.booleans()))
        ratios = cohort.striatal_ratio(pictures[:, :, :])
    assert np.isfinite(study.complete.to_numpy()).all() and np.isfinite(pictures).all() and pictures.min() >= 0
    assert len(study.table) == len(study.true) == len(pictures) == len(ratios)
    assert set(np.unique(study.true)) <= {0, 1} and set(np.unique(study.recorded)) <= {0, 1}
    assert study.table["subject"].nunique() == settings["n_subjects"] and study.table["site"].nunique() == sites
    errors = study.label_errors.values()
    assert all(np.isnan(share) or 0 <= share <= 1 for share in errors)
    assert study.X.shape == (len(study.table), len(study.feature_names))
    group = one(st.sampled_from([*cohort.GROUPS[1:5], "age", ["thickness", "age"]]))  # integration is slow
    assert 0.5 <= study.bayes_auc(group) <= 1 + 1e-9
    assert 0.5 - 1e-9 <= study.bayes_accuracy(group, prevalence=one(SHARE), sessions=one(st.integers(1, 9))) <= 1 + 1e-9


ODD = [None, "", "3", [], {}, 1j, object(), [[1, 2], [3, 4]], float("nan"), float("inf"), -float("inf"), -7, 1e300, 10**400, True, "ä" * 500,
       np.array(["a"]), b"x", (None,), {"binding": "x"}, {3: 1}]


@pytest.mark.parametrize("name", inspect.signature(cohort.simulate_cohort).parameters)
def test_any_odd_setting_of_a_cohort_is_named_or_taken(name):
    for value in ODD:
        try:
            cohort.simulate_cohort(**{"n_subjects": 4, name: value})
        except ValueError as error:
            assert name in str(error) and "must be" in str(error) and len(str(error)) < 1000, (name, value)


@pytest.mark.parametrize("name", ["size", "counts", "gain", "blur", "mark", "cohort"])
def test_any_odd_setting_of_a_picture_is_named_or_taken(name):
    study = cohort.simulate_cohort(n_subjects=4)
    for value in ODD:
        settings = {"cohort": study, "size": 24, name: value}
        try:
            cohort.render_slices(settings.pop("cohort"), **settings)
        except ValueError as error:
            assert name in str(error) and "must be" in str(error) and len(str(error)) < 1000, (name, value)


@pytest.mark.parametrize("ask", [
    lambda odd: cohort.bayes_auc(odd), lambda odd: cohort.bayes_accuracy(odd), lambda odd: cohort.bayes_accuracy(1.0, odd),
    lambda odd: cohort.two_gaussians(odd, 3, 1), lambda odd: cohort.two_gaussians(3, odd, 1), lambda odd: cohort.two_gaussians(3, 3, odd),
    lambda odd: cohort.two_gaussians(3, 3, 1, informative=odd), lambda odd: cohort.two_gaussians(3, 3, 1, prevalence=odd),
    lambda odd: cohort.two_gaussians(3, 3, 1, seed=odd), lambda odd: cohort.striatal_ratio(odd),
    lambda odd: STUDY.bayes_auc(odd), lambda odd: STUDY.bayes_auc(sessions=odd), lambda odd: STUDY.bayes_accuracy("age", prevalence=odd),
    lambda odd: experiments.majority_error(0.2, 3, 0.1) and review.simulate_study(odd), lambda odd: review.simulate_study(1, flaws=odd),
    lambda odd: REVIEWED.review(odd), lambda odd: REVIEWED.review((), odd), data.load, welcome.keep,
    lambda odd: welcome.keep({"S1": odd}), lambda odd: welcome.keep({odd if isinstance(odd, str | int | float) else "S1": ("agree", 80)}),
    lambda odd: welcome.keep({"S1": (odd, 80)}), lambda odd: welcome.keep({"S1": ("agree", odd)}),
    lambda odd: welcome.keep({"S1": ("agree", 80)}, odd),
])
def test_any_odd_question_is_answered_or_refused_with_a_named_error(ask, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for value in ODD:
        if isinstance(value, int) and not isinstance(value, bool) and value > 10**9:
            continue  # a seed, or a number of rows that no memory holds
        try:
            ask(value)
        except ValueError as error:  # all named errors of utils are of this kind
            assert str(error) and len(str(error)) < 1000, value


STUDY = cohort.simulate_cohort(n_subjects=4)
REVIEWED = review.simulate_study(3)


# Checks: whatever a learner's function does, it gets a verdict with a reason


def _raises(error):
    def function(*data):
        raise error

    return function


def _empties(*data):
    for one in data:
        if isinstance(one, np.ndarray):
            one[...] = one.ravel()[0]
        elif isinstance(one, pd.DataFrame):
            one.drop(columns=list(one.columns), inplace=True)
        elif isinstance(one, list | dict | set):
            one.clear()
    return 0.5


class _Strange:
    """An answer that is nothing: it cannot be read, compared or printed."""

    def _no(self, *other):
        raise RuntimeError("no")

    __repr__ = __str__ = __eq__ = __iter__ = __float__ = __len__ = __array__ = __bool__ = __hash__ = _no


def _deep(*data):
    return _deep(*data)


ANSWERS = [
    None, ..., "", "0.5", "yes", b"x", True, False, 0, 1, -1, 2, 0.5, 1.5, 55, float("nan"), float("inf"), 10**400, 1j, pd.NA, pd.NaT,
    np.ma.masked, object(), _Strange(), int, [], (), {}, set(), [[]], [None], ["a"], [("a", "b")], [(0, 1)], [(0, float("inf"))], [(0, 1, 2)], [{}], [[1], [2]],
    (0.2, 0.8), (0.8, 0.2), (0.1, 0.5, 0.9), (None, None), ("a", "b"), (float("nan"), 1.0), (1j, 2), (10**400, 1), {"a": 1}, {"a": "b"}, {1: [2]}, {None: None},
    np.array([]), np.array(0.5), np.array([0.5]), np.zeros(7), np.zeros((2, 2)), np.zeros((0, 3)), np.array(["a"]), np.array([None]), np.array([1, 2], object),
    pd.Series([], dtype=float), pd.Series([0.1, 0.2]), pd.Series({"a": 1.0}), pd.Series(["a"]), pd.DataFrame(), pd.DataFrame({"a": [1, 2]}),
    (pd.DataFrame(), pd.DataFrame()), (pd.DataFrame({"a": ["x"]}), pd.DataFrame({"b": [None]})), (pd.DataFrame({"a": [1, 1]}, index=[0, 0]),) * 2,
    "x" * 100_000, list(range(10_000)), {"twice", "site"}, ["twice", []], "no signal", "underfitted", iter([1, 2]), (n for n in range(3)),
]
FUNCTIONS = [lambda *data, answer=answer: answer for answer in ANSWERS] + [
    _empties, _deep, lambda *data: data, lambda *data: data[0], lambda *data: data[-1], lambda *data: len(data[0]), lambda: 1, print, len, np.mean, np.array,
    *(_raises(error) for error in (ValueError("x" * 10_000), KeyError("a"), ZeroDivisionError(), StopIteration(), MemoryError(), SystemExit(3),
                                   AssertionError(), UnicodeDecodeError("utf-8", b"x", 0, 1, "no"), RuntimeError("{}\n<b>%s"))),
    3, "evaluate", None, ..., [1], ValueError,
]
CHECKS = [one for name, one in vars(checks).items() if not name.startswith("_") and inspect.isfunction(one)
          and "seed" in inspect.signature(one).parameters]


def test_there_are_checks():
    assert len(CHECKS) >= 24


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_any_answer_of_a_learner_gets_a_verdict(check, capsys):
    @trials(2)
    @given(st.integers(0, len(FUNCTIONS) - 1))
    def one(at):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            verdict = check(FUNCTIONS[at], seed=0)
        assert isinstance(verdict, checks.Verdict) and 10 < len(verdict.reason) < 3000 and "\n" not in verdict.reason
        assert "cannot make sense" not in verdict.reason  # that net is for what nobody thought of
        assert not verdict.passed and repr(verdict).startswith("Not yet.")
        assert "<b>" not in verdict._repr_html_()

    one()
