"""A review beside the truth: in words, in a table, in a picture, in the form."""

import functools
import re

import pytest

from review import FLAWS, LIMITS, ReviewForm, simulate_study, what_was_wrong
from review import published_study as figure_of
from review.study import FEATURES
from utils.simulation import ParameterError

simulate = functools.cache(simulate_study)


def words(figure):
    labels = figure.axes[0].get_yticklabels()
    return " ".join(label.get_text().replace("\n", " ") for label in labels)


def test_a_review_beside_the_truth():
    one = simulate_study(0, flaws=["selection", "seeds", "error_bar"])
    review = one.review(["error_bar", "selection", "target"], 0.62)
    assert (review.found, review.missed, review.accused) == (
        ("selection", "error_bar"),
        ("seeds",),
        ("target",),
    )
    assert f"reports {one.result.reported:.2f}; the truth is {one.result.true:.2f}" in review.sentence
    assert "found 2 of 3 planted flaws and accused the study wrongly of 1." in review.sentence
    assert [row[2] for row in review.rows] == ["accused wrongly", "found", "missed", "found"]
    assert one.says("target") in review.rows[0][3]
    assert review.rows[2][3] == f"moves the score by {one.shares['seeds']:+.2f}. {FLAWS['seeds'].why}"
    assert review._repr_markdown_().count("\n|") == 2 + 4
    assert one.review().found == () and one.review().score is None
    assert "You said" not in one.review().sentence


@pytest.mark.parametrize(
    ("planted", "remark"),
    [(name, other) for name, flaw in FLAWS.items() for other in flaw.implies if name != "harmonised"],
)
def test_a_remark_that_follows_from_a_flaw_is_never_an_accusation(planted, remark):
    review = simulate_study(1, flaws=[planted]).review([remark, "target"])
    assert review.true_as_well == {remark: planted} and review.accused == ("target",)
    assert "accused the study wrongly of 1. 1 more remark is true as well." in review.sentence
    [row] = [row for row in review.rows if row[0] == FLAWS[remark].title]
    assert row[1:3] == ("yes", "true as well") and FLAWS[planted].accusation in row[3]
    assert simulate_study(1, flaws=[]).review([remark]).accused == (remark,)


def test_whoever_is_in_the_data_twice_has_several_scans():
    """Study 4 says that nobody's scans were in training and test folds; 24 people's were."""
    study = simulate(4)
    person = study.result.counts["rows"].person
    twice = set(person[person >= study._design.people] - study._design.people) & set(person)
    assert "duplicates" in study.planted and len(twice) > 20
    assert study.review(["repeated"]).accused == ()


def test_accuracy_stands_beside_accuracy_and_its_baseline():
    one = simulate_study(3, flaws=["majority", "seeds"])
    review = one.review(["seeds"], 0.6)
    true, balanced = one.result.true, one.result.balanced
    assert f"reports an accuracy of {one.result.reported:.2f}; the truth is {true:.2f}" in review.sentence
    assert f"The balanced accuracy is {balanced:.2f} in truth" in review.sentence
    assert f"{abs(0.6 - round(true, 2)):.2f} from it" in review.sentence
    [row] = [row for row in review.rows if row[0] == FLAWS["majority"].title]
    share = float(one.facts["patients"]) / float(one.facts["people"])
    assert f"an accuracy of {share:.2f}" in row[3] and f"{balanced:.2f} in truth" in row[3]
    assert "majority" not in one.shares
    assert "(balanced accuracy)" in words(what_was_wrong(review))


def test_what_even_a_sound_paper_leaves_open_is_no_accusation():
    for one in (simulate_study(11, flaws=[]), simulate(3)):
        review = one.review(["spectrum", "held_out", "target"])
        assert review.accused == ("target",)
        assert (
            f"Of the {len(LIMITS)} limits that it shares with most such papers you named 2."
            in review.sentence
        )
        assert [row[2] for row in review.rows[-2:]] == ["true as well"] * 2
        # Each is true of the text.
        assert not re.search(r"calibrat|\bsex\b|\bmen\b|held out|autopsy|DAT", one.paper)
    assert not set(LIMITS) & set(FLAWS)


def test_measures_are_a_lot_for_the_people_of_every_paper():
    people = [int(simulate(seed).facts["people"]) for seed in range(12)]
    assert f"{FEATURES} measures" in LIMITS["size"].title and max(people) <= 1.25 * FEATURES


def test_reviews_have_no_gaps():
    for seed in range(12):
        text = simulate(seed).review([*FLAWS, *LIMITS], 0.5)._repr_markdown_()
        assert not re.search(r"[{}]|None|nan|  | \.|\.\.", text)
        assert text.count("\n|") == 2 + len(FLAWS) + len(LIMITS)


@pytest.mark.parametrize("score", [62, -0.1, "0.5", [0.5], float("nan"), 1j])
def test_scores_that_cannot_be_are_named(score):
    with pytest.raises(ParameterError, match="score is"):
        simulate(0).review(score=score)


@pytest.mark.parametrize("flaws", [["overfitting"], "sites and seeds", 3, None, [None]])
def test_flaws_that_cannot_be_are_named(flaws):
    with pytest.raises(ParameterError, match="flaws is"):
        simulate(0).review(flaws)


# The pictures and the form


def test_pictures_show_the_numbers():
    for seed in range(4):
        one = simulate(seed)
        figure = figure_of(one)
        assert sum(len(line.get_xdata()) for line in figure.axes[0].lines[:2]) == len(one.result.y)
        review = one.review(one.planted[:2], 0.6)
        figure = what_was_wrong(review)
        assert all(FLAWS[name].accusation in words(figure) for name in one.shares)
        shown = [text.get_text() for text in figure.axes[0].texts if text.get_text()]
        assert shown[0] == f"{one.result.reported:.2f}" and f"{one.result.true:.2f}" in shown
        figure.draw_without_rendering()


def answered(form, turn, flaws=(), score=0.6, following=False):
    form.answer = {"turn": turn, "flaws": [list(one) for one in flaws], "score": score, "next": following}
    assert form.verdict["turn"] == turn
    return form.verdict


def test_the_form_answers_and_has_a_text_to_fall_back_on():
    one = simulate(1)
    form = ReviewForm(one)
    assert form.paper["number"] == 1 and form.paper["text"] == one.paper
    assert form.paper["figure"].startswith(b"\x89PNG")
    listed = [name for _, remarks in form.remarks for name, _ in remarks]
    assert listed == [*FLAWS, *LIMITS]
    verdict = answered(form, 1, [(one.planted[0], "major"), ("spectrum", "minor")])
    review = one.review([one.planted[0], "spectrum"], 0.6)
    assert verdict["sentence"] == review.sentence and verdict["total"] == ""
    judged = {row[0]: row[2] for row in verdict["rows"]}
    assert judged[FLAWS[one.planted[0]].title] == "found (major)"
    assert judged[LIMITS["spectrum"].title] == "true as well (minor)"
    assert judged[FLAWS[one.planted[1]].title] == "missed"
    assert [row[3] for row in verdict["rows"]] == [row[3] for row in review.rows]
    assert form.picture.startswith(b"\x89PNG")
    data, _ = form._repr_mimebundle_()
    assert all(one.title in data["text/plain"] for one in [*FLAWS.values(), *LIMITS.values()])


def test_the_next_paper_and_the_score_of_all():
    form = ReviewForm(simulate(1))
    answered(form, 1, [("target", "major")])
    verdict = answered(form, 2, following=True)
    assert (verdict["sentence"], verdict["rows"], form.picture) == ("", [], b"")
    assert form.paper["number"] == 2 and form.paper["text"] == simulate(2).paper
    first, second = simulate(1).review(["target"]), simulate(2).review(["selection", "sites"])
    verdict = answered(form, 3, [("selection", "major"), ("sites", "minor")])
    found, wrong = len(first.found) + len(second.found), len(first.accused) + len(second.accused)
    planted = len(simulate(1).planted) + len(simulate(2).planted)
    total = f"All 2 papers together: {found} of {planted} flaws found, wrong accusations: {wrong}."
    assert verdict["total"] == total
    # A second answer, with the truth known, does not count.
    assert answered(form, 4, [(name, "major") for name in simulate(2).planted])["total"] == total


def test_the_form_says_when_it_cannot_answer():
    form = ReviewForm(simulate(1))
    assert "ParameterError" in answered(form, 1, [("no such", "major")])["sentence"] and form.picture == b""
    with pytest.raises(ParameterError, match="simulate_study"):
        ReviewForm(4)
