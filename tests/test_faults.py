"""What goes wrong on a learner's machine, and what the learner sees of it. The table: CONTRIBUTING.md, "Faults".

The course is copied into a folder with spaces and letters that are not English, and everything here runs there.
"""

import ast
import builtins
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel

from utils import explorable

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted((ROOT / "lessons").glob("*.ipynb"))
EXERCISES = sorted((ROOT / "exercises").glob("*.ipynb"))

NO_ANSWER = ("Python does not answer. If another cell is running, wait for it. If Python was restarted or the connection was "
             "lost, run this cell again.")
RESTARTED = "Python was restarted. Run this cell again."


def by_name(path):
    return path.stem


def code_cells(notebook):
    return [cell.source for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A copy of the course in a folder whose name a careless program would not survive."""
    folder = tmp_path_factory.mktemp("x") / "Kurs ä 研究 (1)"
    for name in ("utils", "datasets", "lessons"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    shutil.copy(ROOT / "requirements.txt", folder)
    return folder


# Cells in any order, or twice


def panel_cells():
    return [pytest.param(source, id=f"{lesson.stem}-{number}") for lesson in LESSONS
            for number, source in enumerate((s for s in code_cells(lesson) if re.search("^panel\\(", s, re.MULTILINE)), 1)]


@pytest.mark.parametrize("source", panel_cells())
def test_a_panels_cell_can_be_the_first_that_is_run(source, monkeypatch):
    """After a restart the panel says "run this cell again", and that must be enough."""
    made = []
    monkeypatch.setattr(explorable, "panel", lambda *given, **controls: made.append(given))
    exec(compile(source, "cell", "exec"), {})
    assert len(made) == 1


def names(source):
    """What a cell takes from others, and what it gives to others: two sets of names."""
    tree = ast.parse("\n".join(line for line in source.splitlines() if not line.startswith(("%", "!"))))
    taken, given = set(), set()
    for statement in tree.body:
        nodes = list(ast.walk(statement))
        own = {argument.arg for node in nodes if isinstance(node, ast.arguments)
               for argument in (*node.posonlyargs, *node.args, *node.kwonlyargs, node.vararg, node.kwarg) if argument}
        stored = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        stored |= {(alias.asname or alias.name).split(".")[0] for node in nodes
                   if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names}
        stored |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.ExceptHandler)
                   and node.name}
        loaded = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        # A loop or a function sets its own names before it reads them; an assignment reads first.
        inner = own | (set() if isinstance(statement, ast.Assign | ast.AugAssign | ast.Expr) else stored)
        bound = {node.id for part in nodes if isinstance(part, ast.comprehension) for node in ast.walk(part.target)
                 if isinstance(node, ast.Name)}
        taken |= {name for name in loaded - given - inner - bound if not hasattr(builtins, name)}
        given |= stored
    return taken, given


@pytest.mark.parametrize("lesson", LESSONS, ids=by_name)
def test_a_cell_run_too_early_misses_a_name_that_stands_above_it(lesson):
    """A NameError is then Python's own, and names what is missing; no cell waits for one below it."""
    known = set()
    for source in code_cells(lesson):
        taken, given = names(source)
        assert taken <= known, source
        known |= given


def test_what_a_cell_takes_and_gives():
    assert names("import numpy as np\ny = f(np.array(x))") == ({"f", "x"}, {"np", "y"})
    assert names("x = x + 1") == ({"x"}, {"x"})
    assert names("[i * k for i in range(3)]") == ({"k"}, {"i"})
    assert names("for i in range(3):\n    print(i, j)") == ({"j"}, {"i"})
    assert names("def f(a, *, b=c):\n    return a + d") == ({"c", "d"}, {"f"})


@pytest.mark.parametrize("exercise", EXERCISES, ids=by_name)
def test_checks_asked_before_anything_is_written_and_again_say_so(exercise):
    """The functions as they are handed out: no traceback, no check passes, and asked again it says the same."""
    asked, space = [], {}
    for source in code_cells(exercise):
        if re.search(r"^checks\.\w+\(\w+\)$", source, re.MULTILINE):
            asked += [str(eval(source.splitlines()[-1], space)) for _ in range(1 if asked else 2)]
            continue
        # What the checks need; the rest of an exercise is for the learner.
        given = [part for part in ast.parse(source).body if isinstance(part, ast.Import | ast.ImportFrom | ast.FunctionDef)]
        exec(compile(ast.Module(given, []), "cell", "exec"), space)
    assert len(asked) >= 4 and asked[0] == asked[1]
    assert not [verdict for verdict in asked if "Passed" in verdict]


# Another locale and time zone, one CPU, other threads, no network

LOOK = '''
import asyncio, json, locale, os, sys, warnings
warnings.filterwarnings("error", category=EncodingWarning, module=r"utils\\b")  # a file read in the locale's encoding
locale.setlocale(locale.LC_ALL, "")  # as a program around Python would
from pathlib import Path
import utils
assert Path(utils.__file__).is_relative_to(Path.cwd().parent), utils.__file__
from utils import experiments, welcome
from utils.audit import audit, read_table
from utils.data import load
from utils.explorable import Slider, panel
from utils.figures import score_distributions
seen = {}
for name in ("cells", "mriqc_abide", "oasis2", "parkinsons_voice"):
    data = load(name)
    seen[name] = [list(data.table.shape), round(float(data.X.mean().sum()), 6), repr(data.table.iloc[-1].to_dict())]
for name in ("selection_outside_folds", "repeated_scans", "harmonised_sites", "shrinkage_sweep", "regional_mri"):
    rule = {"rule": "linear"} if name == "repeated_scans" else {}
    seen[name] = getattr(experiments, name)(repeats=10, **rule).sentence
voice = load("parkinsons_voice")
voice.X.iloc[:, :6].assign(label=voice.y, person=voice.groups, Größe="µm").to_csv("table.csv", index=False, encoding="utf-8")
report = audit(read_table("table.csv"), label="label", subject="person")
seen["audit"] = repr(report)
if "SAVE" in os.environ:
    seen["report"] = report.save(os.environ["SAVE"]).read_text(encoding="utf-8").partition("Findings, the worst first")[0]
welcome.keep({"S1": ("agree", 80)})
seen["stand"] = [welcome.kept(), [line for line in welcome.installation() if "package" not in line[1]]]
async def moved():
    live = panel(experiments.repeated_scans, score_distributions, repeats=100, scans_per_subject=Slider("Scans", 2, 5))
    live.position = {"turn": 1, "at": {"scans_per_subject": 2}, "seed": 3}
    while live.shown["turn"] != 1 or live.shown["repeats"] != 100:
        await asyncio.sleep(0.002)
    seen["panel"] = live.shown
asyncio.run(asyncio.wait_for(moved(), 60))
print(json.dumps(seen))
'''

# Imported by Python before anything else: no way out of this machine, and a list of those who tried.
NO_NETWORK = '''
import socket
def refuse(name, place=0):
    original = getattr(socket, name) if name in vars(socket) else getattr(socket.socket, name)
    def tried(*given, **more):
        target = given[place][0] if isinstance(given[place], tuple) else given[place]
        if target in ("127.0.0.1", "::1", "localhost", None, "") or str(given[place]).startswith("/"):
            return original(*given, **more)
        with open(TRIED, "a", encoding="utf-8") as file:
            print(name, target, file=file)
        raise OSError(101, "Network is unreachable")
    return tried
socket.getaddrinfo = refuse("getaddrinfo")
socket.create_connection = refuse("create_connection")
class Socket(socket.socket):
    connect = refuse("connect", 1)
    connect_ex = refuse("connect_ex", 1)
socket.socket = Socket
'''


def look(course, folder, environment, *paths, **options):
    """Run LOOK with the copy of the course, in a folder of it, and give what it saw."""
    (course / folder).mkdir()
    script = course / "look.py"
    script.write_text(LOOK, encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not re.match("LC_|LANG|PYTHON|OMP_|OPENBLAS_|TZ$", name)}
    done = subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", script], cwd=course / folder, capture_output=True, timeout=300,
        env={**kept, "PYTHONPATH": os.pathsep.join(map(str, [*paths, course])), "OMP_NUM_THREADS": "2", **environment}, **options)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def usual(course):
    """What is seen on a machine like most, but without a network."""
    alone = course / "alone"
    alone.mkdir()
    (alone / "sitecustomize.py").write_text(f"TRIED = {str(course / 'tried')!r}\n{NO_NETWORK}", encoding="utf-8")
    return look(course, "usual", {"LC_ALL": "C.UTF-8", "TZ": "UTC", "SAVE": "report.html"}, alone)


def locale_of(name, tmp_path):
    """Settings for a locale, which is made where the machine lacks it."""
    folder = tmp_path / "locales"
    folder.mkdir()
    made = shutil.which("localedef") and subprocess.run(
        ["localedef", "-i", name, "-f", "UTF-8", folder / f"{name}.UTF-8"], capture_output=True).returncode <= 1
    listed = subprocess.run(["locale", "-a"], capture_output=True, text=True).stdout if shutil.which("locale") else ""
    if not made and f"{name}.utf8" not in listed:
        pytest.skip(f"no locale {name} on this machine, and none can be made")
    return {"LC_ALL": f"{name}.UTF-8", **({"LOCPATH": str(folder)} if made else {})}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="locales and CPUs are chosen in this way on Linux only")
@pytest.mark.parametrize(
    ("language", "settings", "cpus"),
    [
        ("de_DE", {"TZ": "Pacific/Kiritimati", "SAVE": "Bericht ü.html"}, None),  # 0,5; and it is tomorrow already
        ("tr_TR", {"TZ": "America/St_Johns", "OMP_NUM_THREADS": "8", "OPENBLAS_NUM_THREADS": "8"}, None),  # I is not i
        # Not even the letters of the folder's name are known here.
        ("C", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "OMP_NUM_THREADS": "1"}, 1),
    ],
    ids=["German, Kiritimati", "Turkish, eight threads", "no language, one CPU"])
def test_another_machine_shows_the_same(course, usual, tmp_path, language, settings, cpus):
    where = {} if language == "C" else locale_of(language, tmp_path)
    few = (lambda: os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cpus])) if cpus else None
    seen = look(course, language, where | settings, preexec_fn=few)
    assert seen == {name: value for name, value in usual.items() if name in seen}
    assert len(usual) - len(seen) == ("SAVE" not in settings)


def test_no_network_is_asked_for(usual, course):
    tried = course / "tried"
    assert not tried.exists(), tried.read_text(encoding="utf-8")
    # The refusal itself works.
    asked = subprocess.run([sys.executable, "-c", "import socket; socket.create_connection(('192.0.2.1', 80))"],
                           env={**os.environ, "PYTHONPATH": str(course / "alone")}, capture_output=True, text=True)
    assert "Network is unreachable" in asked.stderr and "192.0.2.1" in tried.read_text(encoding="utf-8")


# A kernel, without a browser


class Kernel:
    """A kernel and the front end of its widgets: their states, by their numbers."""

    def __init__(self, folder):
        self.manager, self.client = start_new_kernel(
            cwd=str(folder), env={**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"})
        self.widgets = {}
        self.history = []

    def listen(self, done, seconds=60):
        until = time.monotonic() + seconds
        while not done():
            try:
                message = self.client.get_iopub_msg(timeout=0.5)
            except queue.Empty:
                assert time.monotonic() < until, "no answer"
                continue
            content = message["content"]
            self.history.append((message["parent_header"].get("msg_id"), message["msg_type"], content))
            if message["msg_type"] == "comm_open":
                self.widgets[content["comm_id"]] = content["data"]["state"]
            if message["msg_type"] in ("comm_open", "comm_msg") and content["data"].get("method", "update") == "update":
                state = self.widgets[content["comm_id"]]
                state |= content["data"]["state"]
                for path, buffer in zip(content["data"].get("buffer_paths", []), message.get("buffers", []), strict=False):
                    state[path[0]] = bytes(buffer)

    def run(self, code):
        """Run code; give what it raised, if anything."""
        asked = self.client.execute(code)
        self.listen(lambda: self.ended(asked))
        return [content["ename"] for parent, kind, content in self.history if parent == asked and kind == "error"]

    def ended(self, asked):
        return any(parent == asked and kind == "status" and content["execution_state"] == "idle"
                   for parent, kind, content in self.history)

    def panels(self):
        return [number for number, state in self.widgets.items() if "shown" in state]

    def move(self, number, turn, at):
        data = {"method": "update", "state": {"position": {"turn": turn, "at": at, "seed": 0}}, "buffer_paths": []}
        session = self.client.session
        self.client.shell_channel.send(session.msg("comm_msg", {"comm_id": number, "data": data}))

    def shown(self, number):
        return self.widgets[number]["shown"]

    def refined(self, number, turn):
        return self.shown(number)["turn"] == turn and self.shown(number)["repeats"] == self.shown(number)["of"]


PANELS = """
from utils.experiments import repeated_scans, selection_outside_folds
from utils.explorable import Slider, panel
from utils.figures import score_distributions

one = panel(selection_outside_folds, score_distributions, repeats=200, n_features=Slider("Features", values=[100, 300], value=100))
two = panel(repeated_scans, score_distributions, repeats=200, scans_per_subject=Slider("Scans", 2, 5, value=3))
"""


@pytest.fixture(scope="module")
def kernel(course):
    kernel = Kernel(course)
    assert kernel.run(PANELS) == []
    yield kernel
    kernel.client.stop_channels()
    kernel.manager.shutdown_kernel(now=True)


def test_two_panels_moved_at_once_show_what_each_shows_alone(kernel):
    one, two = kernel.panels()
    kernel.move(one, 1, {"n_features": 1})
    kernel.move(two, 1, {"scans_per_subject": 2})
    kernel.listen(lambda: kernel.refined(one, 1) and kernel.refined(two, 1))
    quiet = {}
    exec(PANELS, quiet)
    for number, alone, at in (one, quiet["one"], {"n_features": 1}), (two, quiet["two"], {"scans_per_subject": 2}):
        alone.position = {"turn": 1, "at": at, "seed": 0}
        assert kernel.shown(number) == alone.shown
        assert kernel.widgets[number]["picture"] == alone.picture


def test_an_interrupt_ends_the_cell_that_hangs_and_no_panel(kernel):
    one = kernel.panels()[0]
    turn = kernel.shown(one)["turn"]
    kernel.move(one, turn + 1, {"n_features": 0})
    kernel.listen(lambda: kernel.shown(one)["turn"] == turn + 1)
    kernel.manager.interrupt_kernel()  # in the middle of a refinement
    hangs = kernel.client.execute("import time; time.sleep(600)")
    kernel.move(one, turn + 2, {"n_features": 1})
    time.sleep(0.3)
    kernel.manager.interrupt_kernel()
    kernel.listen(lambda: kernel.ended(hangs) and kernel.refined(one, turn + 2))
    raised = [content["ename"] for _, kind, content in kernel.history if kind == "error"]
    assert raised == ["KeyboardInterrupt"]


# A kernel and a browser

SLOW = '''
import time
import numpy as np
from utils.data import load
from utils.experiments import experiment
from utils.explorable import Slider, panel
from utils.figures import score_distributions

pause = 0

@experiment(lambda draws, p: f"{p['n_scans']} scans: {draws['reported'].mean():.4f}", block=10)
def slow(*, n_scans: int = 20, rng: np.random.Generator, repeats: int):
    until = time.thread_time() + pause
    while time.thread_time() < until:
        pass
    return {name: rng.normal(0.5, 1 / n_scans, repeats) for name in ("reported", "true")}

scans = len(load("parkinsons_voice").X)
assert scans == 195
live = panel(slow, score_distributions, repeats=600, n_scans=Slider("Scans", 20, 60, step=10))
pause = 0.02  # now a refinement takes more than a second, time enough to disturb it
live
'''


@pytest.fixture(scope="module")
def lab(course, chromium):
    """The address of a JupyterLab that serves the copy, and a browser."""
    from live_lab import Browser, serve

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SLOW)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, course / "lessons" / "Übung 1.ipynb")
    with serve(course, OMP_NUM_THREADS="1", PYTHONPATH=str(course)) as address, Browser(chromium) as browser:
        yield address, browser


@pytest.fixture(scope="module")
def notebook(lab):
    address, browser = lab
    notebook = browser.open(address, "lessons/Übung 1.ipynb")
    notebook.run(0)
    live(notebook).wait_for()
    return notebook


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


def wait(notebook, condition, *given, seconds=60):
    """Wait until a condition in JavaScript holds for the panel `root`; `status` is its line, `turn` the answered move."""
    notebook.page.wait_for_function(f"""given => {{
        const root = document.querySelector('.explorable');
        const [status, turn] = [root.querySelector('.status').textContent, Number(root.dataset.turn)];
        return {condition};
    }}""", arg=list(given), timeout=1000 * seconds)


def press(notebook, *keys):
    """Move the slider by the keyboard; give the number of the move that was answered last."""
    turn = state(notebook)["turn"]
    live(notebook).locator("input").focus()
    for key in keys:
        notebook.page.keyboard.press(key)
    return turn


def settled(notebook, at):
    wait(notebook, "root.dataset.state === 'refined' && root.querySelector('.sentence').textContent.startsWith(given[0])",
         f"{20 + 10 * at} scans")
    assert state(notebook) | {"turn": None, "sentence": None} == {
        "at": at, "turn": None, "refined": True, "status": "600 simulated studies", "sentence": None, "waiting": False}


def halfway(notebook, *keys):
    """Move, and wait for the first picture of a refinement that goes on."""
    turn = press(notebook, *keys)
    wait(notebook, "turn > given[0] && root.dataset.state === 'refining'", turn)


def test_a_slider_held_at_its_end_and_a_page_zoomed(notebook):
    page, size = notebook.page, notebook.page.viewport_size
    page.set_viewport_size({name: pixels // 2 for name, pixels in size.items()})  # what the browser does at 200 per cent
    turn = press(notebook, *["ArrowRight"] * 12)
    wait(notebook, "turn === given[0]", turn + 4)  # the presses at the end are no moves
    left, right, width = live(notebook).evaluate(
        "root => [root.getBoundingClientRect().left, root.getBoundingClientRect().right, innerWidth]")
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
    assert all("ERR_INTERNET_DISCONNECTED" in complaint for complaint in browser.complaints)
    browser.complaints.clear()


def test_a_move_that_is_lost_on_the_line_is_asked_again(notebook):
    """The line looks whole, and what is sent never arrives: neither the move nor, later, what Python answers."""
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
    picture = "root => root.querySelector('img').decode().then(() => root.querySelector('img').naturalWidth)"
    assert live(notebook).evaluate(picture) == live(other).evaluate(picture) > 500
    other.page.close()
    assert notebook.errors() == [] and browser.complaints == []


@pytest.mark.parametrize("how", ["restarted", "killed"])
def test_a_kernel_that_is_gone_in_the_middle_of_a_refinement_is_said_with_what_to_do(notebook, lab, how):
    _, browser = lab
    halfway(notebook, "Home", "ArrowRight", "ArrowRight")
    if how == "restarted":
        notebook.page.evaluate("() => { panel.sessionContext.session.kernel.restart(); }")
    else:
        notebook.page.evaluate("""() => { panel.sessionContext.session.kernel.requestExecute(
            {code: "import os, signal; os.kill(os.getpid(), getattr(signal, 'SIGKILL', signal.SIGTERM))"}).done.catch(() => 0); }""")
        notebook.page.locator(".jp-Dialog").get_by_text("appears to have died").wait_for()
        notebook.page.locator(".jp-Dialog").get_by_role("button", name="Ok").click()
    wait(notebook, "status === given[0]", RESTARTED)
    assert live(notebook).get_by_role("status").last.inner_text() == RESTARTED
    press(notebook, "ArrowRight")
    assert state(notebook)["status"] == RESTARTED and state(notebook)["waiting"]
    notebook.run(0)
    wait(notebook, "turn === 0 && status === '600 simulated studies'")
    press(notebook, "ArrowRight")
    settled(notebook, 1)
    assert notebook.errors() == [] and browser.complaints == []


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows cannot stop a program and let it go on")
def test_a_kernel_that_falls_silent_in_the_middle_of_a_refinement_is_told(notebook):
    """As on a machine without memory; JupyterLab itself says nothing then."""
    kernel = int(notebook.page.evaluate("""panel.sessionContext.session.kernel.requestExecute(
        {code: '', user_expressions: {number: "__import__('os').getpid()"}}
    ).done.then(reply => reply.content.user_expressions.number.data['text/plain'])"""))
    halfway(notebook, "Home")
    os.kill(kernel, signal.SIGSTOP)
    try:
        wait(notebook, "status === given[0]", NO_ANSWER)
    finally:
        os.kill(kernel, signal.SIGCONT)
    settled(notebook, 0)
