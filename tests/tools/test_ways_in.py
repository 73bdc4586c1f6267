"""Ways in beside the first command: the development container, the forms for faults, what has changed."""

import json
import re

import course
import pytest
import yaml
from harness import ROOT

CONTAINER = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
# The keys of the specification (containers.dev) that are used here, and what they hold.
KEYS = {
    "name": str,
    "image": str,
    "hostRequirements": dict,
    "onCreateCommand": str,
    "forwardPorts": list,
    "portsAttributes": dict,
    "customizations": dict,
}
FORMS = sorted(path for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")
PARTS = {"markdown", "input", "textarea", "dropdown", "checkboxes"}


def test_the_container_is_described_with_known_keys_and_a_python_of_the_course():
    assert {name: type(value) for name, value in CONTAINER.items()} == KEYS
    major, minor = re.search(r":(\d+)\.(\d+)$", CONTAINER["image"]).groups()
    assert course.OLDEST <= (int(major), int(minor)) <= course.NEWEST
    assert set(map(str, CONTAINER["forwardPorts"])) == set(CONTAINER["portsAttributes"])
    assert set(CONTAINER["customizations"]) == {"vscode", "codespaces"}
    for name in CONTAINER["customizations"]["codespaces"]["openFiles"]:
        assert (ROOT / name).is_file()
    settings = CONTAINER["customizations"]["vscode"]["settings"]
    place = settings["python.defaultInterpreterPath"].removeprefix("${containerWorkspaceFolder}/")
    assert place == ".venv/bin/python"


def test_the_container_is_set_up_by_the_first_command():
    """`lab --version` installs what a learner needs, says JupyterLab's version, and ends."""
    interpreter, script, *words = CONTAINER["onCreateCommand"].split()
    assert interpreter == "python3" and (ROOT / script).samefile(course.__file__)
    assert words == ["lab", "--version"]


def test_there_is_a_form_for_a_sentence_a_case_and_a_panel():
    assert [path.stem for path in FORMS] == ["case", "panel", "wrong_sentence"]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_is_one(path):
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(form) == {"name", "description", "labels", "body"}
    names = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(names) == len(set(names)) >= 3
    for part in form["body"]:
        assert part["type"] in PARTS
        assert set(part) <= {"type", "id", "attributes", "validations"}
        assert "value" in part["attributes"] if part["type"] == "markdown" else part["attributes"]["label"]
        assert part["type"] != "dropdown" or len(part["attributes"]["options"]) > 1
    required = [part for part in form["body"] if part.get("validations", {}).get("required")]
    assert 0 < len(required) <= 4  # a form that asks for much is not filled in


def test_the_form_for_a_case_asks_what_the_template_asks():
    template = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## Contribute a case")[1]
    asked = re.findall(r"^([A-Z][\w ]+):  ", template.split("```")[1], re.M)
    form = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/case.yml").read_text(encoding="utf-8"))
    labels = [part["attributes"]["label"] for part in form["body"] if part["type"] != "markdown"]
    assert labels == asked


def test_the_list_of_changes_begins_with_the_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    version = re.search(r'^version = "(.*?)"', project, re.M)[1]
    assert re.search(r"^## (\S+?),? ", text, re.M)[1] == version
