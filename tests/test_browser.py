"""The course as a learner meets it: JupyterLab, a real browser, the keyboard.

With SHOTS=folder in the environment, pictures of the panels are left in that folder.
"""

import contextlib
import json
import os
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from live_lab import Browser, serve
from playwright.sync_api import TimeoutError

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted(path.name for path in (ROOT / "lessons").glob("*.ipynb"))

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

DIGEST = """async image => {
    const bytes = await (await fetch(image.src)).arrayBuffer();
    return [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))].join(' ');
}"""


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A copy of the course, so that the notebooks of this one stay as they are."""
    folder = tmp_path_factory.mktemp("course")
    for name in ("lessons", "exercises", "datasets"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    return folder


@pytest.fixture(scope="module")
def lab(course, chromium):
    """The address of a JupyterLab that serves the copy, and a browser."""
    # The tests run beside each other. Kernels with several threads each would wait for one another.
    with serve(course, OMP_NUM_THREADS="1") as address, Browser(chromium) as browser:
        yield address, browser


@pytest.fixture(scope="module", params=LESSONS)
def lesson(request, lab, course):
    """A lesson, opened; `before` says what was seen before its cells were run."""
    address, browser = lab
    notebook = browser.open(address, f"lessons/{request.param}")
    stored = [output for cell in nbformat.read(course / "lessons" / request.param, as_version=4).cells
              for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
    # JupyterLab fills in the cells below the window bit by bit.
    with contextlib.suppress(TimeoutError):
        notebook.page.wait_for_function(
            """stored => {
                const images = [...document.querySelectorAll('.jp-OutputArea-output img')];
                return images.length >= stored && images.every(image => image.complete);
            }""", arg=len(stored), timeout=20_000)
    notebook.before = {
        "stored": len(stored),
        "panels": sum("alt" in output.metadata.get("image/png", {}) for output in stored),
        "widths": notebook.page.locator(".jp-OutputArea-output img").evaluate_all(
            "images => images.map(image => image.complete ? image.naturalWidth : 0)"),
    }
    # The panels alone: that every cell runs is nbval's work. A panel's cell needs no other but those with panels.
    for number, cell in enumerate(notebook.cells()):
        if cell["type"] == "code" and re.search(r"^panel\(", cell["source"], re.MULTILINE):
            notebook.run(number)
    notebook.page.wait_for_timeout(500)
    yield notebook
    notebook.close()


@pytest.fixture
def panels(lesson):
    found = lesson.page.locator(".explorable")
    assert found.count() == lesson.before["panels"] > 0
    yield found.all()
    lesson.page.set_viewport_size({"width": 1300, "height": 900})


def refined(page, panel):
    page.wait_for_function("panel => panel.dataset.state === 'refined'", arg=panel.element_handle())


def answered(page, panel, turn):
    """Wait until what is on display is of this move, and complete."""
    page.wait_for_function(
        "([panel, turn]) => Number(panel.dataset.turn) === turn && panel.dataset.state === 'refined'"
        " && panel.querySelector('.stage img').complete", arg=[panel.element_handle(), turn])


def seen(panel):
    """What a learner gets: the picture's fingerprint, its alternative text, the sentence, the problem."""
    image = panel.locator(".stage img")
    problem = panel.locator(".stage p")
    return {
        "picture": image.evaluate(DIGEST) if image.is_visible() else None,
        "alt": image.get_attribute("alt"),
        "sentence": panel.locator(".sentence").text_content(),  # also where the notebook has scrolled away
        "problem": problem.inner_text() if problem.is_visible() else None,
    }


def test_pictures_are_there_before_anything_is_run(lesson):
    assert len(lesson.before["widths"]) == lesson.before["stored"]
    assert all(width > 100 for width in lesson.before["widths"])


def test_panels_are_made_without_errors(lesson):
    assert lesson.errors() == []


def test_every_slider_is_moved_by_the_keyboard(lesson, panels):
    page = lesson.page
    for number, panel in enumerate(panels, 1):
        panel.scroll_into_view_if_needed()
        pictures = sentences = 0
        for slider in panel.locator("input[type=range]").all():
            before, turn = seen(panel), int(panel.get_attribute("data-turn"))
            at, text = slider.input_value(), slider.get_attribute("aria-valuetext")
            slider.focus()
            page.keyboard.press("ArrowLeft" if at == slider.get_attribute("max") else "ArrowRight")
            answered(page, panel, turn + 1)
            after = seen(panel)
            assert slider.input_value() != at
            assert slider.get_attribute("aria-valuetext") != text
            announced = panel.get_by_role("status").last.inner_text()
            if after["problem"]:
                assert after["picture"] is None and announced == after["problem"]
                continue
            pictures += 1
            assert after["picture"] != before["picture"]
            # One step of one slider may be too little to change a rounded figure.
            sentences += after["sentence"] != before["sentence"]
            assert after["alt"] == after["sentence"] == announced
        assert pictures, "no slider gave a picture"
        assert sentences, "no slider changed the sentence"
        if os.environ.get("SHOTS"):
            panel.screenshot(path=Path(os.environ["SHOTS"]) / f"panel{number}.png")


def test_new_sample_and_reset(lesson, panels):
    page, panel = lesson.page, panels[0]
    for name, same in (("Reset", None), ("New sample", False), ("Reset", True)):
        turn = int(panel.get_attribute("data-turn"))
        panel.get_by_role("button", name=name).press("Enter")
        answered(page, panel, turn + 1)
        now = seen(panel)
        if same is None:
            first = now
        else:
            assert (now == first) is same


def test_keys_in_a_panel_do_not_reach_the_notebook(lesson, panels):
    cells = len(lesson.cells())
    for control in panels[0].locator("input, select, button").all():
        control.focus()
        for key in ("d", "d", "x", "b"):
            lesson.page.keyboard.press(key)
    lesson.page.wait_for_timeout(300)
    assert len(lesson.cells()) == cells


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_no_violation_of_accessibility(lesson, panels, theme):
    lesson.theme(theme)
    for panel in panels:
        refined(lesson.page, panel)
    results = Axe().run(lesson.page, context=".jp-OutputArea-output:has(.explorable)")
    assert results.violations_count == 0, results.generate_report()


def test_narrow_window(lesson, panels):
    """At 320 pixels nothing of a panel is cut off."""
    lesson.page.evaluate("() => jupyterapp.shell.collapseLeft?.()")
    for panel in panels:
        width = panel.evaluate("""panel => {
            panel.style.width = '320px';
            const right = panel.getBoundingClientRect().right;
            const beyond = [...panel.querySelectorAll('*')].filter(
                e => !e.matches('.hidden, option') && e.getBoundingClientRect().right > right + 1);
            panel.style.width = '';
            return beyond.map(e => e.outerHTML.slice(0, 80));
        }""")
        assert width == []


def test_same_panel_shown_twice(lesson, panels):
    page = lesson.page
    cell = page.evaluate("panel.content.widgets.findIndex(cell => cell.node.querySelector('.explorable'))")
    page.evaluate("""cell => {
        panel.content.activeCellIndex = cell;
        return jupyterapp.commands.execute('notebook:create-output-view');
    }""", cell)
    other = page.locator(".jp-LinkedOutputView .explorable")
    other.wait_for()
    turn = int(panels[0].get_attribute("data-turn"))
    slider = other.locator("input[type=range]").first
    slider.focus()
    page.keyboard.press("ArrowLeft" if slider.input_value() == slider.get_attribute("max") else "ArrowRight")
    answered(page, other, turn + 1)
    answered(page, page.locator(".jp-Notebook .explorable").first, turn + 1)
    assert seen(other) == seen(page.locator(".jp-Notebook .explorable").first)
    ids = page.evaluate("[...document.querySelectorAll('.explorable [id]')].map(element => element.id)")
    assert len(ids) == len(set(ids)) > 0
    page.evaluate("jupyterapp.shell.currentWidget.close()")
    page.evaluate("jupyterapp.shell.activateById(panel.id)")


def test_interrupting_the_kernel_does_not_stop_a_panel(lesson, panels):
    page, panel = lesson.page, panels[0]
    slider = panel.locator("input[type=range]").first
    slider.focus()
    turn = int(panel.get_attribute("data-turn"))
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.evaluate("panel.sessionContext.session.kernel.interrupt()")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("([panel, turn]) => Number(panel.dataset.turn) > turn", arg=[panel.element_handle(), turn])
    refined(page, panel)
    assert lesson.errors() == []


def test_lesson_stays_on_this_machine_and_keeps_the_console_clean(lesson, lab):
    _, browser = lab
    assert browser.outside == []
    assert browser.complaints == []


def test_a_saved_panel_is_seen_when_the_learner_comes_back(lab):
    address, browser = lab
    name = f"lessons/{LESSONS[-1]}"
    notebook = browser.open(address, name)
    cell = next(i for i, cell in enumerate(notebook.cells()) if "\npanel(" in cell["source"])
    notebook.run(cell)
    notebook.page.locator(".explorable[data-state=refined]").first.wait_for()
    notebook.page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
    notebook.close()
    notebook = browser.open(address, name)
    # JupyterLab fills in the cells outside the window only when they come near it.
    notebook.page.evaluate("""cell => {
        panel.content.activeCellIndex = cell;
        return panel.content.scrollToItem(cell, 'center');
    }""", cell)
    # The panel as it was left; in a notebook not yet trusted, the picture that it holds.
    image = notebook.page.locator(".jp-mod-active .jp-OutputArea-output img").first
    image.scroll_into_view_if_needed()
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    assert notebook.page.get_by_text("model not found").count() == 0
    notebook.close()


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
