"""Another machine shows the same: another locale and time zone, one CPU, other threads, no network.

The course is copied into a folder with spaces and letters that are not English, and a program that uses every
wing runs there.
"""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

LOOK = r"""
import asyncio, json, locale, os, re, warnings
# A file read in the encoding of the locale.
wings = r"(utils|simulations|checks|audit|review)\b"
warnings.filterwarnings("error", category=EncodingWarning, module=wings)
locale.setlocale(locale.LC_ALL, "")  # as a program around Python would
from pathlib import Path
import utils
assert Path(utils.__file__).is_relative_to(Path.cwd().parent), utils.__file__
from audit import audit, read_table
from simulations.cross_validation_pitfalls import repeated_scans, selection_outside_folds
from simulations.other_sites import harmonised_sites
from simulations.overfitting import regional_mri
from utils import welcome
from utils.data import load
from utils.panel import panel
seen = {}
for name in ("cells", "mriqc_abide", "oasis2", "parkinsons_voice"):
    data = load(name)
    last = repr(data.table.iloc[-1].to_dict())
    seen[name] = [list(data.table.shape), round(float(data.X.mean().sum()), 6), last]
for run in (selection_outside_folds, repeated_scans, harmonised_sites, regional_mri):
    seen[run.__name__] = run(repeats=10).sentence
voice = load("parkinsons_voice")
table = voice.X.iloc[:, :6].assign(label=voice.y, person=voice.groups, Größe="µm")
table.to_csv("table.csv", index=False, encoding="utf-8")
only = ["columns", "subjects", "duplicates", "missing values and label"]
report = audit(read_table("table.csv"), label="label", subject="person", only=only)
seen["audit"] = repr(report)
if "SAVE" in os.environ:
    page = report.save(os.environ["SAVE"]).read_text(encoding="utf-8").partition("Findings, the worst first")
    seen["report"] = re.sub(r"Made on \d\d? [A-Z][a-z]+ \d{4}", "", page[0])
welcome.keep({"S1": ("agree", 80)})
seen["stand"] = [welcome.stands(), [line for line in welcome.installation() if "package" not in line[1]]]
async def moved():
    live = panel(repeated_scans, repeats=100, scans_per_subject=range(2, 6), start={"scans_per_subject": 3})
    live.position = {"turn": 1, "at": live.position["at"] | {"scans_per_subject": 2}, "seed": 3}
    while live.shown["turn"] != 1 or live.shown["repeats"] != 100:
        await asyncio.sleep(0.002)
    seen["panel"] = live.shown
asyncio.run(asyncio.wait_for(moved(), 60))
print(json.dumps(seen))
"""

# Imported by Python before anything else: no way out of this machine, and a list of those who tried.
NO_NETWORK = """
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
"""


def look(course, folder, environment, *paths, **options):
    """Run LOOK with the copy of the course, in a folder of it, and give what it saw."""
    (course / folder).mkdir()
    script = course / "look.py"
    script.write_text(LOOK, encoding="utf-8")
    ours = "LC_|LANG|PYTHON|OMP_|OPENBLAS_|TZ$"
    kept = {name: value for name, value in os.environ.items() if not re.match(ours, name)}
    path = os.pathsep.join(map(str, [*paths, course]))
    done = subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", script],
        cwd=course / folder,
        capture_output=True,
        timeout=300,
        env={**kept, "PYTHONPATH": path, "OMP_NUM_THREADS": "2", **environment},
        **options,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def usual(course):
    """What is seen on a machine like most, but without a network."""
    alone = course / "alone"
    alone.mkdir()
    tried = f"TRIED = {str(course / 'tried')!r}\n"
    (alone / "sitecustomize.py").write_text(tried + NO_NETWORK, encoding="utf-8")
    return look(course, "usual", {"LC_ALL": "C.UTF-8", "TZ": "UTC", "SAVE": "report.html"}, alone)


def locale_of(name, tmp_path):
    """Settings for a locale, which is made where the machine lacks it."""
    folder = tmp_path / "locales"
    folder.mkdir()
    make = ["localedef", "-i", name, "-f", "UTF-8", folder / f"{name}.UTF-8"]
    made = shutil.which("localedef") and subprocess.run(make, capture_output=True).returncode <= 1
    listed = ""
    if shutil.which("locale"):
        listed = subprocess.run(["locale", "-a"], capture_output=True, text=True).stdout
    if not made and f"{name}.utf8" not in listed:
        pytest.skip(f"no locale {name} on this machine, and none can be made")
    return {"LC_ALL": f"{name}.UTF-8", **({"LOCPATH": str(folder)} if made else {})}


EIGHT_THREADS = {"OMP_NUM_THREADS": "8", "OPENBLAS_NUM_THREADS": "8"}


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="locales and CPUs are chosen in this way on Linux only"
)
@pytest.mark.parametrize(
    ("language", "settings", "cpus"),
    [
        # 0,5; and it is tomorrow already.
        ("de_DE", {"TZ": "Pacific/Kiritimati", "SAVE": "Bericht ü.html", **EIGHT_THREADS}, None),
        # I is not i.
        pytest.param("tr_TR", {"TZ": "America/St_Johns"}, None, marks=pytest.mark.repetition),
        # Not even the letters of the folder's name are known here.
        ("C", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "OMP_NUM_THREADS": "1"}, 1),
    ],
    ids=["German, Kiritimati, eight threads", "Turkish", "no language, one CPU"],
)
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
    asked = subprocess.run(
        [sys.executable, "-c", "import socket; socket.create_connection(('192.0.2.1', 80))"],
        env={**os.environ, "PYTHONPATH": str(course / "alone")},
        capture_output=True,
        text=True,
    )
    assert "Network is unreachable" in asked.stderr and "192.0.2.1" in tried.read_text(encoding="utf-8")
