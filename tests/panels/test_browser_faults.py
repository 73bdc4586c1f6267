"""What goes wrong while a panel is used, and what a learner then sees of it: CONTRIBUTING.md, "Faults"."""

import os
import signal
import time

import nbformat
import pytest

NO_ANSWER = (
    "Python does not answer. If another cell is running, wait for it. If Python was restarted or the "
    "connection was lost, run this cell again."
)
RESTARTED = "Python was restarted. Run this cell again."

SLOW = """
import time
from utils.data import load
from utils.drawing import ridges
from utils.panel import panel
from utils.simulation import Studies, Whole, simulation

pause = 0

@simulation(block=10, draw=ridges)
class slow:
    'Nothing but numbers, as slowly as wanted.'

    n_scans = Whole(20, label="Scans", at=range(20, 61, 10))

    def recruit(p, rng, repeats):
        until = time.thread_time() + pause
        while time.thread_time() < until:
            pass
        return Studies({name: rng.normal(0.5, 1 / p.n_scans, repeats) for name in ("reported", "true")})

    def analyse(p, studies):
        return {"reported": studies.reported, "true": studies.true}

    def read(p, draws):
        return f"{p.n_scans} scans: {draws['reported'].mean():.4f}"

assert len(load("parkinsons_voice").X) == 195
live = panel(slow, repeats=300)
pause = 0.03  # now a refinement takes about a second, time enough to disturb it
live
"""


@pytest.fixture(scope="module")
def notebook(lab, course):
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SLOW)])
    made.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, course / "lessons" / "Übung 1.ipynb")
    address, browser = lab
    notebook = browser.open(address, "lessons/Übung 1.ipynb")
    notebook.run(0)
    live(notebook).wait_for()
    yield notebook
    notebook.close()


def live(notebook):
    return notebook.page.locator(".explorable").first


def state(notebook):
    return live(notebook).evaluate("""root => ({
        at: Number(root.querySelector('input').value),
        turn: Number(root.dataset.turn),
        refined: root.dataset.state === 'refined',
        status: root.querySelector('.status').textContent,
        sentence: root.querySelector('.sentence').textContent,
        waiting: root.classList.contains('waiting'),
    })""")


def wait(notebook, condition, *given, seconds=120):
    """Wait until a condition in JavaScript holds: of `root`, its `status`, the answered `turn`."""
    notebook.page.wait_for_function(
        f"""given => {{
        const root = document.querySelector('.explorable');
        const [status, sentence] = ['.status', '.sentence'].map(part => root.querySelector(part).textContent);
        const turn = Number(root.dataset.turn);
        return {condition};
    }}""",
        arg=list(given),
        timeout=1000 * seconds,
    )


def press(notebook, *keys):
    """Move the slider by the keyboard; give the number of the move that was answered last."""
    turn = state(notebook)["turn"]
    live(notebook).locator("input").focus()
    for key in keys:
        notebook.page.keyboard.press(key)
    return turn


def settled(notebook, at):
    wait(
        notebook,
        "root.dataset.state === 'refined' && sentence.startsWith(given[0])",
        f"{20 + 10 * at} scans",
    )
    assert state(notebook) | {"turn": None, "sentence": None} == {
        "at": at,
        "turn": None,
        "refined": True,
        "status": "300 simulated studies",
        "sentence": None,
        "waiting": False,
    }


def halfway(notebook, *keys):
    """Move, and wait for the first picture of a refinement that goes on."""
    turn = press(notebook, *keys)
    wait(notebook, "turn > given[0] && root.dataset.state === 'refining'", turn)


def test_a_slider_held_at_its_end_and_a_page_zoomed(notebook):
    page, size = notebook.page, notebook.page.viewport_size
    page.set_viewport_size(
        {name: pixels // 2 for name, pixels in size.items()}
    )  # what the browser does at 200 per cent
    turn = press(notebook, *["ArrowRight"] * 12)
    wait(notebook, "turn === given[0]", turn + 4)  # the presses at the end are no moves
    left, right, width = live(notebook).evaluate(
        "root => [root.getBoundingClientRect().left, root.getBoundingClientRect().right, innerWidth]"
    )
    page.set_viewport_size(size)
    assert state(notebook)["at"] == 4 and 0 <= left < right <= width
    settled(notebook, 4)


def test_a_tab_in_the_background_is_refined_when_the_learner_comes_back(notebook, lab):
    _, browser = lab
    session = browser.context.new_cdp_session(notebook.page)
    halfway(notebook, "Home", "ArrowRight")
    session.send("Page.setWebLifecycleState", {"state": "frozen"})
    time.sleep(1)
    session.send("Page.setWebLifecycleState", {"state": "active"})
    settled(notebook, 1)


def test_a_lost_connection_is_said_and_the_newest_move_is_answered_afterwards(notebook, lab):
    _, browser = lab
    # The line breaks while the panel refines, and comes back by itself.
    halfway(notebook, "Home")
    notebook.page.evaluate("panel.sessionContext.session.kernel._ws.close()")
    press(notebook, "ArrowRight")
    settled(notebook, 1)
    browser.context.set_offline(True)
    press(notebook, "ArrowRight", "ArrowRight")
    wait(notebook, "status === given[0]", NO_ANSWER)
    assert state(notebook)["waiting"]
    browser.context.set_offline(False)
    # JupyterLab has said it as well, in a box of its own, if it looked at its server meanwhile.
    for button in notebook.page.locator(".jp-Dialog").get_by_role("button", name="Close").all():
        button.click()
    wait(notebook, "turn > 0 && status.includes('simulated')")
    settled(notebook, 3)
    assert [one for one in browser.complaints if "ERR_INTERNET_DISCONNECTED" not in one] == []
    browser.complaints.clear()


def test_a_move_that_is_lost_on_the_line_is_asked_again(notebook):
    """The line looks whole, and what is sent never arrives: not the move, and not, later, Python's answer."""
    press(notebook, "Home")
    settled(notebook, 0)
    notebook.page.evaluate("""() => {
        const socket = panel.sessionContext.session.kernel._ws;
        socket.send = () => { delete socket.send; };
    }""")
    press(notebook, "ArrowRight", "ArrowRight")
    wait(notebook, "status === given[0]", NO_ANSWER)
    settled(notebook, 2)
    press(notebook, "Home")  # and the panel goes on as before, if later
    settled(notebook, 0)


def test_a_notebook_open_in_two_windows_shows_one_and_the_same(notebook, lab):
    address, browser = lab
    notebook.page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    other = browser.open(address, "lessons/Übung 1.ipynb")
    live(other).wait_for()
    assert state(other) == state(notebook)
    press(other, "Home")
    settled(other, 0)
    settled(notebook, 0)
    before = state(other)["turn"]
    press(notebook, "ArrowRight")
    wait(other, "turn > given[0]", before)
    press(other, "ArrowRight")  # while that of the first window is refined
    settled(other, 2)
    settled(notebook, 2)
    marks = "root => [...root.querySelectorAll('svg text')].map(text => text.textContent)"
    assert live(notebook).evaluate(marks) == live(other).evaluate(marks) != []
    other.page.close()
    assert notebook.errors() == [] and browser.complaints == []


@pytest.mark.parametrize("how", ["restarted", "killed"])
def test_a_kernel_that_is_gone_in_the_middle_of_a_refinement_is_said_with_what_to_do(notebook, lab, how):
    _, browser = lab
    halfway(notebook, "Home", "ArrowRight", "ArrowRight")
    if how == "restarted":
        notebook.page.evaluate("() => { panel.sessionContext.session.kernel.restart(); }")
    else:
        code = "import os, signal; os.kill(os.getpid(), getattr(signal, 'SIGKILL', signal.SIGTERM))"
        notebook.page.evaluate(
            "code => { panel.sessionContext.session.kernel.requestExecute({ code }).done.catch(() => 0); }",
            code,
        )
        notebook.page.locator(".jp-Dialog").get_by_text("appears to have died").wait_for()
        notebook.page.locator(".jp-Dialog").get_by_role("button", name="Ok").click()
    wait(notebook, "status === given[0]", RESTARTED)
    assert live(notebook).get_by_role("status").last.inner_text() == RESTARTED
    press(notebook, "ArrowRight")
    assert state(notebook)["status"] == RESTARTED and state(notebook)["waiting"]
    notebook.run(0)
    wait(notebook, "turn === 0 && status === '300 simulated studies'")
    press(notebook, "ArrowRight")
    settled(notebook, 1)
    assert notebook.errors() == [] and browser.complaints == []


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows cannot stop a program and let it go on")
def test_a_kernel_that_falls_silent_in_the_middle_of_a_refinement_is_told(notebook):
    """As on a machine without memory; JupyterLab itself says nothing then."""
    kernel = int(
        notebook.page.evaluate("""panel.sessionContext.session.kernel.requestExecute(
        {code: '', user_expressions: {number: "__import__('os').getpid()"}}
    ).done.then(reply => reply.content.user_expressions.number.data['text/plain'])""")
    )
    halfway(notebook, "Home")
    os.kill(kernel, signal.SIGSTOP)
    try:
        wait(notebook, "status === given[0]", NO_ANSWER)
    finally:
        os.kill(kernel, signal.SIGCONT)
    settled(notebook, 0)
