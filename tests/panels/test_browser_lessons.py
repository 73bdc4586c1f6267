"""Lessons, exercises and forms as a learner meets them: JupyterLab, a real browser, the keyboard.

The words and controls of every panel are looked at in one notebook; the first lesson is then used as it is,
with few studies behind each picture. (What pictures show: tests/utils/test_panel.py.) With SHOTS=folder in
the environment, pictures of panels and forms are left in it.
"""

import json
import re

import nbformat
import pytest
from browsing import answered, beyond, keep_picture, no_violation, press, seen, turn_of
from harness import ROOT

LESSONS = sorted(path.name for path in (ROOT / "lessons").glob("*.ipynb"))
EXERCISES = sorted(path.name for path in (ROOT / "exercises").glob("*.ipynb"))
FEW = "import utils.panel as p; p.panel.__kwdefaults__['repeats'] = 100"
STUDY, REVIEW = r"^from .*review.* import .*simulate_study", r"^ReviewForm\("
STAND, INSTALLATION = r"^Stand\(\)", r"^Installation\(\)"
FORMS = "|".join([STUDY, REVIEW, STAND, INSTALLATION])
# The stills that a notebook keeps are looked at in tests/utils/test_panel.py.
BLANK = "import utils.panel as p; p.panel.__kwdefaults__['repeats'] = 1; p._still = lambda *_: None"


def code_cells(path):
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def has_panel(source):
    return re.search(r"^panel\(", source, re.MULTILINE)


@pytest.fixture(scope="module")
def opened(lab):
    """``opened("lessons/name.ipynb")``: the notebook in the browser, opened once."""
    address, browser = lab
    notebooks = {}

    def open_once(name):
        if name not in notebooks:
            notebooks[name] = browser.open(address, name)
            notebooks[name].name = name
        return notebooks[name]

    yield open_once
    for notebook in notebooks.values():
        notebook.close()
    assert browser.outside == []  # nothing was asked of another machine
    assert browser.complaints == []


def cell_with(notebook, pattern):
    """The number of the first cell of code in which the pattern is found."""
    cells = enumerate(notebook.cells())
    return next(i for i, cell in cells if cell["type"] == "code" and re.search(pattern, cell["source"], re.M))


# Every panel of the course


@pytest.fixture(scope="module")
def gallery(opened, course):
    """A notebook with all panels, run, with blank pictures; below them the forms and an exercise."""
    sources = [source for name in LESSONS for source in code_cells(course / "lessons" / name)]
    panels = list(filter(has_panel, sources))
    forms = [source for source in sources if re.search(FORMS, source, re.MULTILINE)]
    sources = [BLANK, *panels, *forms, *code_cells(course / "exercises" / EXERCISES[0])]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, course / "gallery.ipynb")
    notebook = opened("gallery.ipynb")
    for number in range(1 + len(panels)):
        notebook.run(number)
    notebook.page.wait_for_function(
        "count => document.querySelectorAll('.explorable[data-state=refined]').length === count",
        arg=len(panels),
    )
    return notebook


def test_every_panel_is_made_without_errors(gallery):
    assert gallery.errors() == []
    for panel in gallery.page.locator(".explorable").all():
        look = seen(panel)
        assert look["problem"] is None
        if panel.get_by_role("button", name="That is my guess").is_visible():
            assert look["sentence"] == "" and look["alt"] == "The axis on which you guess."
        else:
            assert look["alt"] == look["sentence"] != ""
        for slider in panel.locator("input[type=range]").all():
            assert slider.get_attribute("aria-valuetext")


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_no_panel_violates_accessibility(gallery, theme):
    gallery.theme(theme)
    no_violation(gallery, ".explorable")


def test_at_320_pixels_nothing_of_a_panel_is_cut_off(gallery):
    gallery.page.evaluate("() => jupyterapp.shell.collapseLeft?.()")
    out = {}
    for panel in gallery.page.locator(".explorable").all():
        # Of a picture its words count: the library's groups also hold what cannot be seen.
        if found := beyond(panel, ":not(.hidden, option, pre *, svg *), svg text"):
            out[panel.locator(".headline").inner_text()] = found
    assert out == {}


def test_every_panel_that_asks_takes_the_guess_and_answers(gallery):
    asking = gallery.page.locator(".explorable:has(.guess)").all()
    assert len(asking) == len(LESSONS)
    for panel in asking:
        turn = turn_of(panel)
        panel.get_by_role("button", name="That is my guess").press("Enter")
        answered(gallery.page, panel, turn + 1)
        assert "your guess" in panel.locator(".stage").inner_text()
        panel.get_by_role("button", name="All of them").press("Enter")
        answered(gallery.page, panel, turn + 2)


def test_a_line_of_a_picture_is_dragged_and_moves_its_slider(gallery):
    page, dragged = gallery.page, set()

    def middle(line, upright):
        box = line.bounding_box()
        return box["x"] + box["width"] / 2 if upright else box["y"] + box["height"] / 2

    for panel in page.locator(".explorable:has(.stage [class*=drag_])").all():
        for line in panel.locator(".stage [class*=drag_] line").all():
            dragged.add(line.evaluate("line => line.__data__.mark.name"))
            panel.locator(".stage").evaluate("stage => stage.scrollIntoView({ block: 'center' })")
            box, turn = line.bounding_box(), turn_of(panel)
            upright = box["height"] > box["width"]
            # Near its end: in the middle another line may cross it.
            x, y = box["x"] + box["width"] * (0.5 if upright else 0.9), box["y"] + box["height"] * 0.5
            page.mouse.move(x, y)
            page.mouse.down()
            slider = panel.locator("input:focus")  # from where it is let go, the arrow keys go on
            before = int(slider.input_value())
            page.mouse.move(*((x - 90, y) if upright else (x, y - 90)))
            page.mouse.up()
            answered(page, panel, turn + 1)
            after = int(slider.input_value())
            assert after < before if upright else after > before
            # The line is under the pointer, as nearly as the positions of its slider allow.
            assert abs(middle(line, upright) - ((x if upright else y) - 90)) < 32
            page.mouse.move(x + 30, y + 30)
            assert int(slider.input_value()) == after
            press(page, panel, slider)
    sliders = ("moved", "prevalence_outside", "threshold")
    assert dragged == {f"drag_{slider}_0_marks" for slider in sliders}


# A lesson as it is


@pytest.fixture(
    scope="module",
    params=[LESSONS[0], *(pytest.param(name, marks=pytest.mark.repetition) for name in LESSONS[1:])],
)
def lesson(request, opened):
    notebook = opened(f"lessons/{request.param}")
    notebook.page.evaluate("code => panel.sessionContext.session.kernel.requestExecute({ code }).done", FEW)
    # Here every study is a dot; other figures draw lines, or count.
    notebook.piles = request.param[:2] in ("00", "05", "06", "09")
    # The panels alone: that every cell runs is nbval's work. A panel's cell needs no other.
    notebook.panel_cells = [
        number
        for number, cell in enumerate(notebook.cells())
        if cell["type"] == "code" and has_panel(cell["source"])
    ]
    for number in notebook.panel_cells:
        notebook.run(number)
    return notebook


@pytest.fixture
def asked(lesson):
    """The first panel, perhaps with its guess not yet made."""
    found = lesson.page.locator(".jp-Notebook .explorable[data-state=refined]")
    found.first.wait_for()
    assert lesson.page.locator(".jp-Notebook .explorable").count() == len(lesson.panel_cells) > 0
    return found.first


@pytest.fixture
def panel(lesson, asked):
    show = asked.get_by_role("button", name="Show me")
    if show.is_visible():
        turn = turn_of(asked)
        show.press("Enter")
        answered(lesson.page, asked, turn + 1)
    return asked


def shapes(panel):
    """How many marks of data the picture has; one that nobody sees keeps room for words at the right."""
    return panel.locator(".stage :is(.mark-area, .mark-symbol) path:not([opacity='0'])").count()


def test_a_guess_is_made_before_anything_is_shown_and_then_one_study_comes(lesson, asked):
    page, panel = lesson.page, asked
    guess = panel.locator(".guess input")
    if not guess.count():
        pytest.fail("the first panel of every lesson asks for a guess")
    assert panel.locator(".settings[disabled]").count() == 1 and panel.locator(".headline").inner_text() == ""
    assert panel.locator(".sentence").text_content() == ""
    if lesson.piles:
        assert shapes(panel) == 0
    guess.focus()
    page.keyboard.press("ArrowRight")
    assert guess.get_attribute("aria-valuetext") == "0.51"
    box = panel.locator(".stage").bounding_box()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 3, steps=3)
    page.mouse.up()
    dragged = float(guess.input_value())
    assert dragged > 0.55 and "your guess" in panel.locator(".stage").inner_text()
    no_violation(lesson, ".explorable")
    turn = turn_of(panel)
    panel.get_by_role("button", name="That is my guess").press("Enter")
    answered(page, panel, turn + 1)
    said = panel.locator(".said")
    assert said.inner_text().startswith(f"Your guess: {dragged:.2f}. In this study it is ")
    alone, first = shapes(panel), seen(panel)["picture"]
    assert panel.locator(".status").inner_text() == "1 simulated study"
    panel.get_by_role("button", name="One study").press("Enter")
    answered(page, panel, turn + 2)
    second = seen(panel)["picture"]
    assert panel.locator(".status").inner_text() == "2 simulated studies" and second != first
    if lesson.piles:
        assert 0 < alone < 10 and shapes(panel) == 2 * alone
    panel.get_by_role("button", name="A hundred more").press("Enter")
    answered(page, panel, turn + 3)
    assert panel.get_by_role("button", name="One study").is_disabled() and seen(panel)["picture"] != second
    if lesson.piles:
        assert shapes(panel) == 100 * alone
    keep_picture(panel, "piled")
    panel.get_by_role("button", name="All of them").press("Enter")
    answered(page, panel, turn + 4)
    assert said.inner_text().startswith(f"Your guess: {dragged:.2f}. Over these 100 studies it is ")


def test_every_slider_is_moved_by_the_keyboard(lesson, panel):
    looks = [seen(panel)]
    for slider in panel.locator(".settings input[type=range]").all():
        at, text = slider.input_value(), slider.get_attribute("aria-valuetext")
        press(lesson.page, panel, slider)
        looks.append(seen(panel))
        assert slider.input_value() != at and slider.get_attribute("aria-valuetext") != text
        assert looks[-1]["picture"] != looks[-2]["picture"]
        announced = panel.get_by_role("status").last.inner_text()
        assert looks[-1]["alt"] == looks[-1]["sentence"] == announced
    assert len({look["sentence"] for look in looks}) > 1
    keep_picture(panel, "panel")
    # What stood there before is seen as a dotted outline.
    assert panel.locator(".stage .mark-line path").count() > 0


def test_new_sample_and_reset(lesson, panel):
    looks = []
    for name in ("Reset", "New sample", "Reset"):
        turn = turn_of(panel)
        panel.get_by_role("button", name=name).press("Enter")
        answered(lesson.page, panel, turn + 1)
        looks.append(seen(panel)["sentence"])  # the picture also has the outline of what stood there before
    assert looks[0] == looks[2] != looks[1]


def test_the_code_of_one_study_is_shown_with_the_values_of_the_sliders(lesson, panel):
    page, code = lesson.page, panel.locator("pre code")
    panel.locator(".code summary").press("Enter")
    page.wait_for_function("code => code.textContent.includes('import')", arg=code.element_handle())
    before = code.text_content()
    press(page, panel, panel.locator(".settings input[type=range]").first)
    page.wait_for_function(
        "([code, before]) => code.textContent !== before", arg=[code.element_handle(), before]
    )
    no_violation(lesson, ".explorable")
    assert beyond(panel, ":not(.hidden, option, pre *, svg *), svg text") == []
    panel.locator(".code summary").press("Enter")
    assert not code.is_visible()


def test_keys_in_a_panel_do_not_reach_the_notebook(lesson, panel):
    cells = len(lesson.cells())
    for control in panel.locator("input, select, button, summary").all():
        if control.is_visible():
            control.focus()
            for key in ("d", "d", "x", "b"):
                lesson.page.keyboard.press(key)
    lesson.page.wait_for_timeout(300)
    assert len(lesson.cells()) == cells


def test_same_panel_shown_twice(lesson, panel):
    page = lesson.page
    page.evaluate(
        """cell => {
            panel.content.activeCellIndex = cell;
            return jupyterapp.commands.execute('notebook:create-output-view');
        }""",
        lesson.panel_cells[0],
    )
    other = page.locator(".jp-LinkedOutputView .explorable")
    other.wait_for()
    turn = turn_of(panel)
    press(page, other, other.locator(".settings input[type=range]").first)
    answered(page, panel, turn + 1)
    assert seen(other) | {"picture": None} == seen(panel) | {"picture": None}  # they may differ in width
    ids = page.evaluate("[...document.querySelectorAll('.explorable [id]')].map(element => element.id)")
    assert len(ids) == len(set(ids)) > 0
    page.evaluate("jupyterapp.shell.currentWidget.close()")
    page.evaluate("jupyterapp.shell.activateById(panel.id)")


def test_interrupting_the_kernel_does_not_stop_a_panel(lesson, panel):
    page, turn = lesson.page, turn_of(panel)
    panel.locator(".settings input[type=range]").first.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.evaluate("panel.sessionContext.session.kernel.interrupt()")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "([panel, turn]) => Number(panel.dataset.turn) > turn && panel.dataset.state === 'refined'",
        arg=[panel.element_handle(), turn],
    )
    assert lesson.errors() == []


def test_a_saved_panel_is_seen_when_the_learner_comes_back(lesson, panel, lab):
    address, browser = lab
    lesson.page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
    notebook = browser.open(address, lesson.name)
    # JupyterLab fills in the cells outside the window only when they come near it.
    notebook.page.evaluate(
        """cell => {
            panel.content.activeCellIndex = cell;
            return panel.content.scrollToItem(cell, 'center');
        }""",
        lesson.panel_cells[0],
    )
    # The panel as it was left; in a notebook not yet trusted, the picture that it holds.
    picture = notebook.page.locator(".jp-mod-active .jp-OutputArea-output :is(img, svg)").first
    picture.scroll_into_view_if_needed()
    assert picture.bounding_box()["width"] > 100
    assert notebook.page.get_by_text("model not found").count() == 0
    notebook.page.close()


# An exercise, and the forms


def test_an_exercise_tells_what_is_missing_from_what_is_right(gallery):
    tells(gallery, EXERCISES[0])


@pytest.mark.repetition
@pytest.mark.parametrize("name", EXERCISES)
def test_every_exercise_tells_what_is_missing_from_what_is_right(opened, name):
    tells(opened(f"exercises/{name}"), name)


def tells(exercise, name):
    asked = cell_with(exercise, r"^checks?\.\w+\(\w+\)$")
    function = re.search(r"\((\w+)\)$", exercise.cells()[asked]["source"])[1]
    written = cell_with(exercise, rf"^def {function}\(")
    solution = code_cells(ROOT / "solutions" / name)
    right = next(source for source in solution if re.search(rf"^def {function}\(", source, re.M))
    for number, cell in enumerate(exercise.cells()[: written + 1]):
        if cell["type"] == "code" and not re.search(rf"^panel\(|{FORMS}", cell["source"], re.MULTILINE):
            exercise.run(number)
    for verdict in ("Not yet", "Passed"):
        exercise.run(asked)
        assert verdict in str(exercise.cells()[asked]["outputs"])
        assert exercise.errors() == []
        exercise.type(written, right)
        exercise.run(written)


def test_a_stand_is_taken_by_the_keyboard_kept_and_shown_again(gallery, course):
    file, notebook = course / "my_stand.json", gallery
    asked = cell_with(notebook, STAND)
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
    no_violation(notebook, ".welcome")
    notebook.run(asked)
    chosen = "document.querySelector('.welcome input[type=radio]:checked')?.value"
    notebook.page.wait_for_function(f"{chosen} === 'it depends'")
    notebook.run(cell_with(notebook, INSTALLATION))
    lines = notebook.page.locator(".welcome li")
    lines.first.wait_for()
    assert len(lines.all()) == 4 and all(line.startswith("Fine.") for line in lines.all_inner_texts())
    for number, box in enumerate(notebook.page.locator(".welcome").all()):
        keep_picture(box, f"welcome{number}")
    form.get_by_role("button", name="Delete what was kept").press("Enter")
    status.get_by_text("Deleted").wait_for()
    assert not file.exists()
    assert notebook.errors() == []


def test_a_study_is_reviewed_by_the_keyboard(gallery):
    notebook = gallery
    for pattern in (STUDY, REVIEW):
        notebook.run(cell_with(notebook, pattern))
    form = notebook.page.locator(".review-form")
    form.wait_for()
    count = len(notebook.cells())
    form.get_by_role("textbox").press("d")
    form.get_by_role("button", name="Now the list").press("Enter")
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
    assert "found (major)" in found.inner_text()
    image = form.locator("img.truth")
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 500
    assert image.get_attribute("alt") == form.locator("p[role=status]").inner_text()
    keep_picture(form, "review")
    no_violation(notebook, ".review-form")
    notebook.page.evaluate("() => jupyterapp.shell.collapseLeft?.()")
    assert beyond(form, ":scope > :not(.table), fieldset *") == []
    form.get_by_role("button", name="Next paper").press("Enter")
    form.get_by_text("Study 5", exact=True).wait_for()
    assert form.locator("input:checked").count() == 0 and not found.is_visible()
    form.get_by_role("button", name="Now the list").press("Enter")
    form.get_by_label("A feature is a consequence of the diagnosis").press("Space")
    form.get_by_role("button", name="Show the truth").press("Enter")
    form.get_by_text("All 2 papers together").wait_for()
    assert notebook.errors() == []
