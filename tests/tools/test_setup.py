"""The set-up and the face: pins that agree, Binder, licences, links, and nothing of one machine."""

import copy
import functools
import importlib.metadata
import itertools
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import course
import links
import pytest
import yaml
from harness import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SYSTEMS = {
    "linux": {"sys_platform": "linux", "os_name": "posix", "platform_system": "Linux"},
    "macos": {"sys_platform": "darwin", "os_name": "posix", "platform_system": "Darwin"},
    "windows": {"sys_platform": "win32", "os_name": "nt", "platform_system": "Windows"},
}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


@functools.cache
def pins(name):
    return [Requirement(line) for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]


@functools.cache
def needs_of(package):
    """What an installed package says to need; nothing of one for another system."""
    try:
        return [Requirement(line) for line in importlib.metadata.requires(package) or []]
    except importlib.metadata.PackageNotFoundError:
        return []


# Pins


def test_every_line_is_an_exact_pin_and_none_is_given_twice():
    both = pins("requirements.txt") + pins("requirements-test.txt")
    for requirement in both:
        assert re.fullmatch(r"==[^,*]+", str(requirement.specifier)), requirement
        assert requirement.url is None
    names = [canonicalize_name(requirement.name) for requirement in both]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("system", "python"), list(itertools.product(SYSTEMS, PYTHONS)))
def test_the_pins_hold_all_that_the_course_needs_and_nothing_that_contradicts(system, python):
    """From pyproject.toml down, as far as packages are installed here to say what they need."""
    environment = {
        **SYSTEMS[system],
        "python_version": python,
        "python_full_version": f"{python}.4",
        "extra": "",
    }
    for files, wanted in (
        (["requirements.txt"], PROJECT["dependencies"]),
        (["requirements.txt", "requirements-test.txt"], PROJECT["optional-dependencies"]["test"]),
    ):
        pinned = {
            canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
            for pin in itertools.chain.from_iterable(map(pins, files))
            if pin.marker is None or pin.marker.evaluate(environment)
        }
        todo, seen = [Requirement(line) for line in wanted], set()
        while todo:
            requirement = todo.pop()
            extras = requirement.extras or {""}
            applies = requirement.marker is None or requirement.marker.evaluate(environment)
            if not applies or str(requirement) in seen:
                continue
            seen.add(str(requirement))
            name = canonicalize_name(requirement.name)
            assert name in pinned, f"{requirement} is not pinned for {system}, Python {python}"
            assert requirement.specifier.contains(pinned[name], prereleases=True), requirement
            for need in needs_of(name):
                if need.marker is None or any(
                    need.marker.evaluate({**environment, "extra": e}) for e in extras
                ):
                    need = copy.copy(need)
                    need.marker = None
                    todo.append(need)


def test_what_is_installed_here_is_what_is_pinned():
    for pin in pins("requirements.txt") + pins("requirements-test.txt"):
        if pin.marker is None or pin.marker.evaluate():
            assert pin.specifier.contains(importlib.metadata.version(pin.name), prereleases=True), pin


def test_a_package_without_its_dependencies_finds_here_what_it_needs():
    """It is pinned and installed, and lacks what requirements-nodeps.txt says, no more."""
    lines = [
        line
        for line in (ROOT / course.NO_DEPS).read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    assert [re.sub("==.*", "", line) for line in lines] == ["combatlearn"]
    [pin] = map(Requirement, lines)
    assert re.fullmatch(r"==[^,*]+", str(pin.specifier))
    assert pin.specifier.contains(importlib.metadata.version(pin.name))
    pinned = {
        canonicalize_name(one.name): str(one.specifier).removeprefix("==") for one in pins("requirements.txt")
    }
    assert pin.name not in pinned
    lacking = set()
    for need in map(Requirement, importlib.metadata.requires(pin.name)):
        if need.marker is None or need.marker.evaluate({"extra": ""}):
            name = canonicalize_name(need.name)
            if not (name in pinned and need.specifier.contains(pinned[name], prereleases=True)):
                lacking.add(name)
    assert lacking == {"umap-learn", "plotly"}
    # It works without them: neither is imported with it.
    code = "import sys; import combatlearn; sys.exit('umap' in sys.modules or 'plotly' in sys.modules)"
    assert subprocess.call([sys.executable, "-c", code]) == 0


def test_it_is_installed_by_every_way_in(tmp_path, monkeypatch):
    assert f"pip install --no-deps --requirement {course.NO_DEPS}" in (ROOT / "postBuild").read_text(
        encoding="utf-8"
    )
    steps = []
    monkeypatch.setattr(course, "PREFIX", tmp_path)
    monkeypatch.setattr(course, "works", lambda *_: True)
    monkeypatch.setattr(course, "step", lambda *command, **_: steps.append(command))
    course.install(["requirements.txt"], "")
    installed = [step for step in steps if "install" in step]
    assert [course.NO_DEPS in step for step in installed] == [False, True]
    assert "--no-deps" in installed[1] and "--no-deps" not in installed[0]
    # Nothing is compiled on the way, and at the end it is tried whether what was installed loads.
    assert all(":all:" in step for step in installed) and "import jupyterlab" in steps[-1][-1]
    # A second run installs nothing, unless that file changes, or the environment lost its packages.
    steps.clear()
    course.install(["requirements.txt"], "")
    assert steps == []
    with monkeypatch.context() as patch:
        patch.setattr(course, "works", lambda *command: command[0] != "-c")
        course.install(["requirements.txt"], "")
    assert steps
    steps.clear()
    monkeypatch.setattr(course, "NO_DEPS", "requirements-test.txt")
    course.install(["requirements.txt"], "")
    assert steps


def test_the_python_versions_agree():
    assert PROJECT["requires-python"] == f">={PYTHONS[0]},<3.15"
    assert (course.OLDEST, course.NEWEST) == ((3, 11), (3, 14))
    assert f"Python {', '.join(PYTHONS[:-1])} or {PYTHONS[-1]}" in README


def test_a_learner_needs_nothing_that_only_maintainers_need():
    extra = {Requirement(line).name for line in PROJECT["optional-dependencies"]["test"]}
    assert not extra & {pin.name for pin in pins("requirements.txt")}


# The ways in


def test_conda_takes_python_and_the_same_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == course.NAME == PROJECT["name"]
    python, pip, by_pip = environment["dependencies"]
    assert re.fullmatch(r"python=3\.\d+", python)  # Binder takes Python 3.10 for anything less exact
    assert python.removeprefix("python=") in PYTHONS
    assert (pip, by_pip) == ("pip", {"pip": ["-r requirements.txt", "-e ."]})


def test_binder_builds_the_conda_environment(monkeypatch):
    """The build is rendered, not run: that would need a container engine and conda's channels."""
    app = pytest.importorskip("repo2docker.app", reason="repo2docker needs a Unix").Repo2Docker()
    monkeypatch.chdir(ROOT)
    for kind in app.buildpacks:
        pack = kind(app.base_image)
        pack.platform = "linux/amd64"
        if pack.detect():
            break
    assert type(pack).__name__ == "CondaBuildPack"
    assert pack.python_version == "3.12"
    rendered = pack.render({"NB_USER": "learner", "NB_UID": "1000"})
    copied = rendered.index("COPY --chown=1000:1000 src/ ${REPO_DIR}/")
    installed = rendered.index('env update -p ${NB_PYTHON_PREFIX} --file "environment.yml"')
    assert copied < installed < rendered.index("RUN ./postBuild")
    assert os.access(ROOT / "postBuild", os.X_OK)
    assert "tools/jupyterlab.json" in (ROOT / "postBuild").read_text(encoding="utf-8")


def test_the_commands_of_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    texts = README + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"`make ([\w-]+)", texts))
    assert {"lab", "test", "test-all", "repetitions"} <= targets
    assert targets <= set(re.findall(r"^([\w-]+):", makefile, re.M))
    assert set(re.findall(r"course\.py ([\w-]+)`", README)) == set(course.COMMANDS) - {"setup"}
    for name, command in course.COMMANDS.items():
        assert f"{name}:\n\t@$(PYTHON) tools/course.py {name}" in makefile
        assert f"course.py {name} " in course.__doc__ and callable(command)
    scripts = set(re.findall(r"(?<!/)tools/\w+\.py", makefile + texts))
    assert [name for name in sorted(scripts) if not (ROOT / name).exists()] == []
    ci = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert re.findall(r"^exec make ([\w-]+) ", ci, re.M) == ["test"]


def test_every_test_and_notebook_is_run_once_and_the_browser_begins(monkeypatch):
    calls = []
    monkeypatch.setenv("REPETITIONS", "")
    monkeypatch.setattr(course, "install_all", lambda: None)
    monkeypatch.setattr(course, "run", lambda *command: calls.append((os.environ["REPETITIONS"], command)))
    for command in ("test", "test-all", "repetitions"):
        course.COMMANDS[command]()
    (no, first), (yes, everything), (again, repeated) = calls
    assert (no, yes, again) == ("", "1", "1") and first == everything
    files = [name for name in first if name.endswith((".py", ".ipynb"))]
    wanted = [
        *ROOT.glob("lessons/*.ipynb"),
        *ROOT.glob("solutions/*.ipynb"),
        *ROOT.glob("tests/**/test_*.py"),
    ]
    assert sorted(ROOT / name for name in files) == sorted(wanted)
    browser = ["test_browser" in name for name in files]
    assert any(browser) and browser == sorted(browser, reverse=True)
    # What is repeated is found where it stands.
    repeated = {name for name in repeated if name.endswith((".py", ".ipynb"))}
    assert repeated < set(files)
    for name in files:
        if name.endswith(".py") and re.search("mark.repetition|trials[(]|repetitions[(]", read(ROOT / name)):
            assert name in repeated


# The face


def test_the_map_lists_what_is_there():
    rows = re.findall(r"^\| (\d\d) \| \[.*?\]\((.*?)\) \|(.*)\|$", README, re.M)
    assert [row[0] for row in rows] == sorted(path.name[:2] for path in (ROOT / "lessons").glob("*.ipynb"))
    listed = {
        ROOT / place for _, lesson, rest in rows for place in (lesson, *re.findall(r"\]\((.*?)\)", rest))
    }
    assert listed == {
        path for folder in ("lessons", "exercises", "solutions") for path in (ROOT / folder).glob("*.ipynb")
    }


def test_the_repositorys_address_stands_in_one_place():
    owner, name = re.search(r"mybinder\.org/v2/gh/([^/]+)/([^/]+)/", README).groups()
    places = [path.name for path in text_files() for _ in re.findall(f"{owner}/{name}", read(path))]
    # once in the link; as long as the placeholder stands there, once more in the remark above it
    assert places == ["README.md"] * (2 if owner == "OWNER" else 1)
    lesson = re.search(r"urlpath=lab/tree/(\S+)", README)[1]
    assert (ROOT / lesson).exists()


def test_licences_and_citation_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == [PROJECT["license"], "CC-BY-4.0"]
    assert README.startswith(f"# {citation['title']}\n")
    [author] = citation["authors"]
    code, text = ((ROOT / name).read_text(encoding="utf-8") for name in PROJECT["license-files"])
    assert code.startswith("BSD 3-Clause License") and author["name"] in code
    assert text.startswith("Attribution 4.0 International")
    assert "Section 8 -- Interpretation." in text


def test_relative_links_lead_somewhere():
    assert links.broken()[0] == []


def test_a_link_that_leads_nowhere_is_found(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(links, "ROOT", tmp_path)
    (tmp_path / "there.md").write_text("# A heading, here\n", encoding="utf-8")
    text = "[a](there.md) [b](gone.md) [c](there.md#a-heading-here) [d](there.md#other) <https://a.org>\n"
    text += '`[e](code.md)` [f][g] <a href="gone.html">\n\n[g]: https://b.org/x\n'
    (tmp_path / "page.md").write_text(text, encoding="utf-8")
    wrong, elsewhere = links.broken()
    assert wrong == [
        "page.md: there is no gone.md",
        "page.md: there is no heading there.md#other",
        "page.md: there is no gone.html",
    ]
    assert elsewhere == {"https://b.org/x": 1}
    with pytest.raises(SystemExit, match="True"):
        links.main()
    assert "3 links into the course lead nowhere; 1 addresses were" in capsys.readouterr().out


def test_no_file_speaks_of_one_machine_or_index():
    ours = re.compile(
        r"/(?:home|Users|root|work)/\w|\b[A-Z]:\\+Users|--(?:extra-)?index-url|--find-links|files\.\w+hosted"
    )
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in text_files()
        if (match := ours.search(re.sub(r'"image/png": ".*?"', "", read(path))))
        and path != Path(__file__).resolve()
    ]
    assert found == []


def test_the_code_is_clean():
    ruff = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "."], cwd=ROOT, capture_output=True, text=True
    )
    assert ruff.returncode == 0, ruff.stdout


def text_files():
    return [path for path in links.tracked() if path.suffix not in (".png", ".webp", ".gz", ".npz")]


def read(path):
    return path.read_text(encoding="utf-8")
