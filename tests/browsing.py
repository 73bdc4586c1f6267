"""What the tests in a browser ask of a page. The browser itself: tools/live_lab.py."""

import os
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe

DIGEST = """async image => {
    const bytes = await (await fetch(image.src)).arrayBuffer();
    return [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))].join(' ');
}"""


def answered(page, panel, turn):
    """Wait until what is on display is of this move, and complete."""
    page.wait_for_function(
        """([panel, turn]) => Number(panel.dataset.turn) === turn
            && panel.dataset.state === 'refined' && panel.querySelector('.stage img').complete""",
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
    """What a learner gets: the picture's fingerprint, its alternative text, the sentence, the problem."""
    image, problem = panel.locator(".stage img"), panel.locator(".stage p")
    return {
        "picture": image.evaluate(DIGEST) if image.is_visible() else None,
        "alt": image.get_attribute("alt"),
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
        """(box, parts) => {
            box.style.width = '320px';
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
