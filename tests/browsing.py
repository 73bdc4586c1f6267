"""What the tests in a browser ask of a page. The browser itself: tools/live_lab.py."""

import os
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe


def answered(page, panel, turn):
    """Wait until what is on display is of this move, and complete."""
    page.wait_for_function(
        """([panel, turn]) => Number(panel.dataset.turn) === turn
            && panel.dataset.state === 'refined'""",
        arg=[panel.element_handle(), turn],
    )


def turn_of(panel):
    return int(panel.get_attribute("data-turn"))


def press(page, panel, slider):
    """Move a slider one step by the keyboard and wait for the refined picture."""
    turn = turn_of(panel)
    slider.focus()
    page.keyboard.press("ArrowLeft" if slider.input_value() == slider.get_attribute("max") else "ArrowRight")
    answered(page, panel, turn + 1)


def seen(panel):
    """What a learner gets: the picture as drawn, its alternative text, the sentence, the problem."""
    stage, problem = panel.locator(".stage"), panel.locator(".problem")
    # Without the running numbers that the library gives to its parts.
    marks = """stage => [...stage.querySelectorAll('svg')].map(svg =>
        svg.innerHTML.replace(/(gradient_|clip)[0-9]+/g, '')).join()"""
    return {
        "picture": stage.evaluate(marks) if stage.is_visible() else None,
        "alt": stage.get_attribute("aria-label"),
        "sentence": panel.locator(".sentence").text_content(),  # also where the notebook has scrolled away
        "problem": problem.inner_text() if problem.is_visible() else None,
    }


def no_violation(notebook, kind):
    """No violation of the rules of accessibility in the outputs that hold something of this class."""
    results = Axe().run(notebook.page, context=f".jp-OutputArea-output:has({kind})")
    assert results.violations_count == 0, results.generate_report()


def beyond(box, parts):
    """What of a box is cut off where there are only 320 pixels."""
    return box.evaluate(
        """async (box, parts) => {
            box.scrollIntoView(); // what is far from the window is not laid out
            box.style.width = '320px';
            // A picture takes its new width a moment later.
            await new Promise(done => setTimeout(done, box.querySelector('svg') ? 300 : 0));
            const right = box.getBoundingClientRect().right;
            const out = e => e.getBoundingClientRect().right > right + 1;
            const beyond = [...box.querySelectorAll(parts)].filter(out);
            box.style.width = '';
            return beyond.map(e => e.outerHTML.slice(0, 80));
        }""",
        parts,
    )


def keep_picture(box, name):
    """Where SHOTS is set in the environment, leave a picture in that folder."""
    if os.environ.get("SHOTS"):
        box.screenshot(path=Path(os.environ["SHOTS"]) / f"{name}.png")
