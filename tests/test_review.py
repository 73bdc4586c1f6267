"""The simulated publications: every flaw does what is said of it, and the paper lets a reader find it."""

import functools
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import Ridge
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from utils import figures, study
from utils import review as reviews
from utils.experiments import ParameterError
from utils.form import ReviewForm
from utils.review import FLAWS, one_flaw, simulate_study

MOVING = list(reviews.MOVING.values())
simulate = functools.cache(simulate_study)


def carried_out(seed, planted, active, **options):
    return study.carry_out(study.plan(seed, tuple(planted)), active, **options)


# The flaws


@pytest.mark.parametrize("name", MOVING)
def test_a_flaw_that_moves_the_score_makes_it_too_good(name):
    planted = {name, "sites"} if name == "harmonised" else {name}
    shares, optimism = [], []
    for seed in range(12):
        flawed = carried_out(seed, planted, planted)
        shares.append(flawed.reported - carried_out(seed, planted, planted - {name}).reported)
        optimism.append(flawed.reported - flawed.true)
    for found in (shares, optimism):
        assert np.mean(found) > max(0.01, 2 * np.std(found, ddof=1) / np.sqrt(12))


@functools.cache
def sound_studies():
    return [simulate_study(seed, flaws=()) for seed in range(40)]


def test_a_study_without_flaws_is_honest():
    """On average; a little pessimistic, because every fold learns from four fifths of the people."""
    optimism = [one.result.reported - one.result.true for one in sound_studies()]
    assert np.mean(optimism) == pytest.approx(-0.015, abs=0.02)
    assert np.mean([one.result.true for one in sound_studies()]) == pytest.approx(0.62, abs=0.03)


def test_a_consequence_of_the_diagnosis_and_a_scanner_do_harm_where_they_are_missing():
    for name in ("target", "sites"):
        lost = [carried_out(seed, {name}, ()).true - carried_out(seed, {name}, {name}).true for seed in range(20)]
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
        design = replace(study.plan(seed, ("t_test",)), strength=0.0)
        folds = study.carry_out(design, (), repetitions=20).fold_scores
        assert len(folds) == 100
        alarms.append(stats.ttest_1samp(folds, 0.5).pvalue < 0.05)
    assert np.mean(alarms) > 0.3


def test_claims_do_not_move_the_score():
    for seed in range(3):
        claims = [name for name in FLAWS if name not in MOVING]
        assert simulate_study(seed, flaws=claims).result.reported == simulate_study(seed, flaws=()).result.reported


def test_a_region_said_to_be_without_effect_was_not_significant_and_has_one():
    studies = [one for one in map(simulate, range(200)) if "absence" in one.planted]
    assert len(studies) > 30
    for one in studies:
        assert float(one.facts["region_p"]) > 0.05
        assert abs(float(one.facts["region_true"])) >= 0.3


# The computation


def test_the_score_is_that_of_the_outputs():
    for seed in range(20):
        one = simulate(seed)
        metric = accuracy_score if "majority" in one.planted else balanced_accuracy_score
        guesses = one.result.output > one.result.cut
        assert one.result.reported == pytest.approx(metric(one.result.y, guesses))


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("n", [60, 200])
def test_the_classifier_is_ridge_regression(n, weighted):
    rng = np.random.default_rng(n)
    X, y, site = rng.normal(size=(n, 120)), (np.arange(n) % 3 > 0).astype(int), np.arange(n) % 4
    training = study._Training(X[None], y[None], site, np.arange(n)[None] % 5, adjusted=False, weighted=weighted)
    [[[*_, found]]] = training.fit([(np.arange(120), None, (30.0,))])  # the last training set are all scans
    level = training.middle[0, -1] - training.centre[0, -1] @ found
    weights = np.where(y == 1, 0.5 / np.mean(y == 1), 0.5 / np.mean(y == 0)) if weighted else np.ones(n)
    other = Ridge(30.0).fit(X / X.std(0), 2 * y - 1, sample_weight=weights)
    new = rng.normal(size=(10, 120))
    np.testing.assert_allclose(new @ found + level, other.predict(new / X.std(0)), atol=1e-8)


def test_folds_keep_people_together_and_patients_in_equal_shares():
    person = np.repeat(np.arange(50), np.random.default_rng(0).integers(1, 4, 50))
    y = person % 2
    fold = study._folds(person, y, np.random.default_rng(1))
    assert all(len(set(fold[person == one])) == 1 for one in range(50))
    patients = [len(set(person[(fold == one) & (y == 1)])) for one in range(5)]
    assert patients == [5] * 5


def test_a_repaired_study_has_the_same_people():
    design = study.plan(3, ("selection", "duplicates"))
    one, other = (study.carry_out(design, active).counts["rows"] for active in ({"selection"}, ()))
    np.testing.assert_array_equal(one.X, other.X)
    twins = study.carry_out(design, {"duplicates"}).counts["rows"]
    np.testing.assert_array_equal(twins.X[:len(one.X)], one.X)


def test_seeds():
    assert simulate_study(7).paper == simulate_study(7).paper
    assert len({simulate(seed).paper for seed in range(20)}) == 20


def test_flaws_are_three_to_five_and_all_occur():
    planted = [simulate(seed).planted for seed in range(200)]
    assert {len(flaws) for flaws in planted} == {3, 4, 5}
    assert {name for flaws in planted for name in flaws} == set(FLAWS)
    for flaws in planted:
        assert any(name in MOVING for name in flaws) and any(name not in MOVING for name in flaws)
        assert not {"majority", "oversampling"} <= set(flaws)
        assert "sites" in flaws or "harmonised" not in flaws


@pytest.mark.parametrize("name", ["selection", "sites", "target"])
def test_the_exact_true_score_is_that_of_many_new_people(name):
    found = []
    for seed in range(30):
        design = study.plan(seed, (name,))
        exact, sampled = (study.carry_out_stack(design, {name}, truth=truth).true[0]
                          for truth in (study.exact_truth, study.sampled_truth))
        found.append(exact - sampled)
        # Where sites are not centred, each way has ten sites of its own.
        assert abs(found[-1]) < (0.12 if name == "sites" else 0.04)
    assert abs(np.mean(found)) < 3 * np.std(found, ddof=1) / np.sqrt(30)


def stacks(planted, studies=20, per_site=12):
    return [design for _, design in study.plan_stacks(np.random.default_rng(1), tuple(planted), per_site, studies)]


@pytest.mark.parametrize("name", sorted(reviews._LATER))
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
    kept = [number for design in planned for number in design.kept]
    strength = [number for design in planned for number in design.strength]
    assert repeated == pytest.approx(np.mean([design.repeated for design in drawn]), abs=0.08)
    assert np.mean([number == 20 for number in kept]) == pytest.approx(np.mean([one.kept == 20 for one in drawn]), abs=0.08)
    assert np.mean(strength) == pytest.approx(np.mean([one.strength for one in drawn]), abs=0.03)
    for name in MOVING:
        whole = study.plan(0, (name,))
        assert {(one.patients, one.harmonises) for one in stacks({name})} == {(whole.patients, whole.harmonises)}
        assert any(one.repeated == whole.repeated for one in stacks({name}))


@pytest.mark.parametrize("studies", [1, 6])
def test_scans_of_a_person_agree_as_they_should(studies):
    design = replace(study.plan(0, ("repeated",)), per_site=100, studies=studies, strength=(0.4,) * studies)
    X, person = study._scan(design)
    site = np.repeat(range(4), 100)[person]
    X = X - np.stack([X[:, site == k].mean(1) for k in range(4)], 1)[:, site]
    first = np.flatnonzero(np.diff(person, prepend=-1))
    assert X.var() == pytest.approx(1, abs=0.02)
    assert (X[:, first] * X[:, first + 1]).mean() == pytest.approx(study.RELIABILITY, abs=0.02)
    last = first[np.bincount(person) == 3] + 2
    assert (X[:, last] * X[:, last - 1]).mean() == pytest.approx(study.RELIABILITY, abs=0.02)


# The paper


def table(paper):
    """Patients and controls of every site, as the paper prints them."""
    return np.array([[int(cell) for cell in row] for row in re.findall(r"^\| [A-D] \| (\d+) \| (\d+) \|", paper, re.M)])


def a_careful_reader(paper):
    """Find the flaws in the text alone."""
    def has(*patterns):
        return any(re.search(pattern, paper) for pattern in patterns)

    counts = table(paper)
    assert counts.shape == (4, 2)
    enrolled = int(re.search(r"(\d+) people were enrolled", paper)[1])
    left_out = int(re.search(r"(\d+) people were excluded", paper)[1])
    later = re.search(r"(\d+) (?:more whose|others when)", paper)
    left_out += int(later[1]) if later else 0
    share = counts[:, 0] / counts.sum(1)
    found = {
        "duplicates": counts.sum() != enrolled - left_out,
        "exclusions": later is not None,
        "rereading": has("diagnoses were revised", "adjudicated by an expert who saw"),
        "target": has("levodopa entered", r"measures of thickness and volume, and the number of visits"),
        "sites": np.ptp(share) > 0.5,
        "harmonised": has("preserved the effect of diagnosis", "diagnosis as a covariate"),
        "selection": has("all participants", "which then entered cross-validation"),
        "tuning": has("highest cross-validated performance", "most accurate in cross-validation was retained"),
        "oversampling": has(r"\d synthetic scans"),
        "repeated": has("scans were divided at random into five folds", r"over the \d+ scans"),
        "seeds": has("with the best performance is reported", "most favourable"),
        "threshold": has("cut-off that maximised", "optimal cut-off"),
        "majority": not has("balanced accuracy"),
        "error_bar": has("standard error"),
        "t_test": has("t-test over the 100", "t-test on the fold-wise"),
        "absence": has("plays no part", "rules this region out"),
        "generalises": has("ready to support", "generalisable imaging marker"),
    }
    assert list(found) == list(FLAWS)
    return tuple(name for name in FLAWS if found[name])


@pytest.mark.parametrize("start", range(0, 200, 50))
def test_a_careful_reader_finds_all_flaws_in_the_paper_and_no_others(start):
    for seed in range(start, start + 50):
        one = simulate(seed)
        assert a_careful_reader(one.paper) == one.planted, seed


def test_a_careful_reader_finds_nothing_in_a_sound_paper():
    for one in sound_studies():
        assert a_careful_reader(one.paper) == ()


def test_papers_have_no_gaps():
    for one in [*map(simulate, range(200)), *sound_studies()]:
        assert not re.search(r"[{}]|None|nan|inf\b|  |\.\.| [.,]|\ba accuracy|± *[.,)]", one.paper), one.seed
        for name, flaw in FLAWS.items():
            said = one.says(name)
            assert said in one.paper
            assert said or not (flaw.flawed if name in one.planted else flaw.sound)


def test_both_wordings_occur():
    for name, flaw in FLAWS.items():
        said = {re.sub(r"\d+|[+-]", "", one.says(name)) for one in map(simulate, range(200)) if name in one.planted}
        assert len(said) >= len(flaw.flawed)


def test_numbers_of_a_paper_agree_with_each_other():
    for seed in range(200):
        paper = simulate(seed).paper
        counts = table(paper)
        abstract = re.search(r"In (\d+) data sets from four sites \((\d+) of patients, (\d+) of controls\)", paper)
        assert [int(number) for number in abstract.groups()] == [counts.sum(), *counts.sum(0)]
        scores = re.findall(r"accuracy of (\d\.\d\d)", paper)
        assert len(scores) == 2 and scores[0] == scores[1]


# The review


def test_a_review_beside_the_truth():
    one = simulate_study(0, flaws=["selection", "seeds", "error_bar"])
    review = one.review(["error_bar", "selection", "target"], 0.62)
    assert (review.found, review.missed, review.accused) == (("selection", "error_bar"), ("seeds",), ("target",))
    assert f"reports {one.result.reported:.2f}; the truth is {one.result.true:.2f}" in review.sentence
    assert "found 2 of 3 planted flaws and accused the study wrongly of 1" in review.sentence
    assert [row[2] for row in review.rows] == ["accused wrongly", "found", "missed", "found"]
    assert one.says("target") in review.rows[0][3]
    assert review.rows[2][3] == f"moves the score by {one.shares['seeds']:+.2f}. {FLAWS['seeds'].why}"
    assert review._repr_markdown_().count("\n|") == 2 + 4
    assert one.review().found == () and one.review().score is None


def test_shares_are_what_repairing_one_flaw_takes_away():
    one = simulate_study(2)
    assert list(one.shares) == [name for name in one.planted if name in MOVING]
    for name, share in one.shares.items():
        repaired = carried_out(2, one.planted, set(one.planted) - {name})
        assert share == one.result.reported - repaired.reported


def test_reviews_have_no_gaps():
    for seed in range(12):
        text = simulate(seed).review(FLAWS, 0.5)._repr_markdown_()
        assert not re.search(r"[{}]|None|nan|  | \.|\.\.", text)
        assert text.count("\n|") == 2 + len(FLAWS)


@pytest.mark.parametrize(
    ("flaws", "message"),
    [(["selektion"], "selektion"), ("everything", "everything"), (["majority", "oversampling"], "majority"),
     (["sites", "majority"], "sites"), (["harmonised", "oversampling"], "oversampling")],
)
def test_what_cannot_be(flaws, message):
    with pytest.raises(ParameterError, match=message):
        simulate_study(0, flaws=flaws)


def test_other_errors_name_the_parameter():
    with pytest.raises(ParameterError, match="seed"):
        simulate_study(-1)
    with pytest.raises(ParameterError, match="score"):
        simulate(0).review(score=62)
    with pytest.raises(ParameterError, match="flaws"):
        simulate(0).review(["overfitting"])
    with pytest.raises(ParameterError, match="flaw"):
        one_flaw(flaw="error_bar", repeats=1)
    with pytest.raises(ParameterError, match="per_site"):
        one_flaw(per_site=5, repeats=1)


# The pictures, the form, the panel


def test_pictures_show_the_numbers():
    for seed in range(4):
        one = simulate(seed)
        figure = figures.published_study(one)
        dots = sum(len(line.get_xdata()) for line in figure.axes[0].lines[:2])
        assert dots == len(one.result.y)
        review = one.review(one.planted[:2], 0.6)
        figure = figures.what_was_wrong(review)
        labels = " ".join(label.get_text().replace("\n", " ") for label in figure.axes[0].get_yticklabels())
        assert all(review.title(name) in labels for name in one.shares)
        shown = [text.get_text() for text in figure.axes[0].texts]
        assert shown[0] == f"{one.result.reported:.2f}" and f"{one.result.true:.2f}" in shown
        figure.draw_without_rendering()


def test_the_form_answers_and_has_a_text_to_fall_back_on():
    one = simulate(1)
    form = ReviewForm(one, figures.what_was_wrong)
    assert [name for name, _ in form.flaws] == list(FLAWS)
    form.answer = {"turn": 1, "flaws": list(one.planted[:1]), "score": 0.6}
    review = one.review(one.planted[:1], 0.6)
    assert form.verdict["turn"] == 1 and form.verdict["sentence"] == review.sentence
    assert form.verdict["rows"] == [list(row) for row in review.rows]
    assert form.picture.startswith(b"\x89PNG")
    data, _ = form._repr_mimebundle_()
    assert all(flaw.title in data["text/plain"] for flaw in FLAWS.values())


def test_the_form_says_when_it_cannot_answer():
    form = ReviewForm(simulate(1), figures.what_was_wrong)
    form.answer = {"turn": 1, "flaws": ["no such"], "score": 0.6}
    assert "ParameterError" in form.verdict["sentence"] and form.picture == b""


def test_the_panel_of_one_flaw():
    outcome = one_flaw(flaw="repeated", per_site=20, repeats=5, seed=3)
    assert {name: len(values) for name, values in outcome.draws.items()} == {"reported": 5, "honest": 5, "true": 5}
    assert "80 people" in outcome.sentence
    *_, streamed = one_flaw.stream(flaw="repeated", per_site=20, repeats=5, seed=3)
    np.testing.assert_array_equal(streamed.draws["reported"], outcome.draws["reported"])
    assert outcome.draws["reported"].mean() > outcome.draws["honest"].mean() + 0.1
