"""The exercises, the stand and the review as a learner meets them: JupyterLab, a real browser, the keyboard.

With SHOTS=folder in the environment, pictures of the forms are left in that folder. The panels: test_browser.
"""

import json
import os
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

# For each exercise, a check of utils.checks, and two answers: the code and a part of the message that it gets.
# {name} is the function that the notebook hands to the check.
ANSWERS = {
    "01_look_before_you_train.ipynb": (
        "same_scan_twice",
        ("""\
def {name}(X):
    return [(i, j) for i in range(len(X)) for j in range(i) if np.array_equal(X[i], X[j])]
""", "Ask for a small distance, not for equal numbers."),
        ("""\
def {name}(X):
    Z = StandardScaler().fit_transform(X)
    return [(i, j) for i in range(len(Z)) for j in range(i) if np.abs(Z[i] - Z[j]).max() < 0.01]
""", "Passed."),
    ),
    "02_overfitting.ipynb": (
        "interval_of_an_accuracy",
        ("""\
def {name}(n_right, n):
    half = 1.96 * np.sqrt(n_right / n * (1 - n_right / n) / n)
    return n_right / n - half, n_right / n + half
""", "below 0 or above 1"),
        ("""\
from scipy.stats import binomtest

def {name}(n_right, n):
    return tuple(binomtest(n_right, n).proportion_ci(method="wilson"))
""", "Passed."),
    ),
    "03_underfitting.ipynb": (
        "flexible_score",
        ("""\
def {name}(X, y):
    return cross_val_score(LogisticRegression(), X, y, cv=folds).mean()
""", "The model underfits"),
        ("""\
from sklearn.svm import SVC

def {name}(X, y):
    return cross_val_score(SVC(), X, y, cv=folds).mean()
""", "Passed."),
    ),
    "04_label_noise.ipynb": (
        "agreement_and_ceiling",
        ("""\
def {name}(rater_1, rater_2):
    agreement = np.mean(rater_1 == rater_2)
    return agreement, np.sqrt(agreement)
""", "They agree as well where both are wrong"),
        ("""\
def {name}(rater_1, rater_2):
    agreement = np.mean(rater_1 == rater_2)
    return agreement, 0.5 + np.sqrt(max(2 * agreement - 1, 0)) / 2
""", "Passed."),
    ),
    "05_cross_validation_pitfalls.ipynb": (
        "selection",
        ("""\
from sklearn.feature_selection import SelectKBest
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier

def {name}(X, y):
    chosen = SelectKBest(k=20).fit_transform(X, y)
    return cross_val_score(KNeighborsClassifier(1), chosen, y, cv=5).mean()
""", "the selection saw the labels of the test fold"),
        ("""\
from sklearn.feature_selection import SelectKBest
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

def {name}(X, y):
    model = make_pipeline(SelectKBest(k=20), KNeighborsClassifier(1))
    return cross_val_score(model, X, y, cv=5).mean()
""", "Passed."),
    ),
    "06_external_validation.ipynb": (
        "same_columns",
        ("""\
def {name}(ours, theirs, factors, missing_code):
    common = [column for column in ours if column in theirs]
    theirs = theirs[common].copy()
    for column in factors:
        theirs[column] *= factors[column]
    return ours[common], theirs.replace(missing_code, np.nan)
""", "Replace the code first"),
        ("""\
def {name}(ours, theirs, factors, missing_code):
    common = [column for column in ours if column in theirs]
    theirs = theirs[common].replace(missing_code, np.nan)
    return ours[common], theirs * pd.Series({column: factors.get(column, 1) for column in common})
""", "Passed."),
    ),
    "07_audit_a_study.ipynb": (
        "shares_of_flaws",
        ("""\
def {name}(study, flaws):
    return {flaw: study([flaw]) - study([]) for flaw in flaws}
""", "adds one flaw to a sound study"),
        ("""\
def {name}(study, flaws):
    return {flaw: study(flaws) - study(set(flaws) - {flaw}) for flaw in flaws}
""", "Passed."),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_exercise_tells_wrong_from_right(lab, course, name):
    if not (course / "exercises" / name).exists():
        pytest.skip(f"exercises/{name} is not there yet")
    address, browser = lab
    check, *answers = ANSWERS[name]
    exercise = browser.open(address, f"exercises/{name}")
    cells = [cell["source"] if cell["type"] == "code" else "" for cell in exercise.cells()]
    call = re.compile(rf"\b{check}\((\w+)")
    asked = next(i for i, code in enumerate(cells) if call.search(code) and not code.startswith("def"))
    function = call.search(cells[asked])[1]
    written = next(i for i, code in enumerate(cells) if re.search(rf"^def {function}\(", code, re.MULTILINE))
    # What comes first: imports. What stands in the cell beside the function: the check itself, if anything.
    for number in range(written):
        if cells[number]:
            exercise.run(number)
    kept = cells[asked] if asked == written else ""
    kept = kept[kept.rfind("\n", 0, call.search(kept).start()) + 1:] if kept else ""
    for answer, message in answers:
        exercise.type(written, answer.replace("{name}", function) + kept)
        for number in sorted({written, asked}):
            exercise.run(number)
        text = str(exercise.cells()[asked]["outputs"])
        assert message in text
        assert exercise.errors() == []
    exercise.close()
    assert browser.outside == []
    assert browser.complaints == []


def test_a_stand_is_taken_by_the_keyboard_kept_and_shown_again(lab, course):
    address, browser = lab
    file = course / "lessons" / "my_stand.json"
    notebook = browser.open(address, "lessons/00_start_here.ipynb")
    asked = next(i for i, cell in enumerate(notebook.cells()) if cell["source"].endswith("\nStand()"))
    notebook.run(asked)
    form = notebook.page.locator(".welcome form")
    status = notebook.page.locator(".welcome").get_by_role("status")
    form.get_by_role("button", name="Keep my stand").press("Enter")
    status.get_by_text("one statement at least").wait_for()
    first = form.locator("fieldset").first
    first.get_by_label("agree", exact=True).press("Space")
    for key in ("ArrowRight", "ArrowRight", "d", "d"):  # keys in the form do not reach the notebook
        notebook.page.keyboard.press(key)
    first.get_by_role("slider").press("End")
    form.get_by_role("button", name="Keep my stand").press("Enter")
    status.get_by_text("Kept in my_stand.json").wait_for()
    assert json.loads(file.read_text(encoding="utf-8")) == {"first": {"S1": ["it depends", 100]}}
    results = Axe().run(notebook.page, context=".jp-OutputArea-output:has(.welcome)")
    assert results.violations_count == 0, results.generate_report()
    notebook.run(asked)
    notebook.page.wait_for_function(
        "document.querySelector('.welcome input[type=radio]:checked')?.value === 'it depends'")
    installation = next(i for i, cell in enumerate(notebook.cells()) if cell["source"].endswith("\nInstallation()"))
    notebook.run(installation)
    lines = notebook.page.locator(".welcome li")
    lines.first.wait_for()
    assert len(lines.all()) == 4 and all(line.startswith("Fine.") for line in lines.all_inner_texts())
    if os.environ.get("SHOTS"):
        for number, box in enumerate(notebook.page.locator(".welcome").all()):
            box.screenshot(path=Path(os.environ["SHOTS"]) / f"welcome{number}.png")
    form.get_by_role("button", name="Delete what was kept").press("Enter")
    status.get_by_text("Deleted").wait_for()
    assert not file.exists()
    assert notebook.errors() == []
    notebook.close()


def test_a_study_is_reviewed_by_the_keyboard(lab):
    address, browser = lab
    notebook = browser.open(address, "lessons/07_audit_a_study.ipynb")
    cells = [cell["source"] for cell in notebook.cells()]
    shown = next(i for i, source in enumerate(cells) if source.startswith("from utils.review import simulate_study"))
    asked = next(i for i, source in enumerate(cells) if "\nReviewForm(" in source)
    for number in (shown, asked):
        notebook.run(number)
    form = notebook.page.locator(".review-form")
    form.wait_for()
    count = len(notebook.cells())
    form.get_by_label("Some people are in the data twice").press("Space")
    for key in ("d", "d", "x"):  # keys in the form do not reach the notebook
        notebook.page.keyboard.press(key)
    slider = form.get_by_role("slider")
    slider.press("Home")
    slider.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "0.41"
    form.get_by_role("button", name="Show the truth").press("Enter")
    form.get_by_role("status").get_by_text("You said 0.41").wait_for()
    assert len(notebook.cells()) == count
    found = form.locator("tbody tr", has_text="Some people are in the data twice")
    assert "found" in found.inner_text()
    image = form.locator("img")
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 500
    assert image.get_attribute("alt") == form.locator("p[role=status]").inner_text()
    if os.environ.get("SHOTS"):
        form.screenshot(path=Path(os.environ["SHOTS"]) / "review.png")
    results = Axe().run(notebook.page, context=".jp-OutputArea-output:has(.review-form)")
    assert results.violations_count == 0, results.generate_report()
    notebook.page.evaluate("() => jupyterapp.shell.collapseLeft?.()")
    beyond = form.evaluate("""form => {
        form.style.width = '320px';
        const right = form.getBoundingClientRect().right;
        return [...form.querySelectorAll(':scope > :not(.table), fieldset *')].filter(
            e => e.getBoundingClientRect().right > right + 1).map(e => e.outerHTML.slice(0, 80));
    }""")
    assert beyond == []
    assert notebook.errors() == []
    notebook.close()
