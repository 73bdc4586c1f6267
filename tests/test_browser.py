"""The course as a learner meets it: JupyterLab, a real browser, the keyboard.

With SHOTS=folder in the environment, pictures of the panels are left in that folder.
"""

import contextlib
import os
import re
from pathlib import Path

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import TimeoutError

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted(path.name for path in (ROOT / "lessons").glob("*.ipynb"))

DIGEST = """async image => {
    const bytes = await (await fetch(image.src)).arrayBuffer();
    return [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))].join(' ');
}"""


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
