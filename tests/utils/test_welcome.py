"""The stand of lessons 00 and 09, and the look at the installation. (In a browser: tests/browser.)"""

import json
import os
import re
from importlib import metadata

import numpy as np
import pytest

from utils import welcome

ANSWERS = {"S1": ("agree", 80), "S3": ("it depends", 50), "S5": ("disagree", 100)}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(form, **content):
    form._asked(form, content, [])
    return form.message["text"]


def test_a_stand_is_kept_beside_the_notebook_and_deleted(folder):
    assert welcome.stands() == {}
    welcome.keep(ANSWERS)
    assert [path.name for path in folder.iterdir()] == ["my_stand.json"]
    assert welcome.stands() == {"first": ANSWERS}
    welcome.keep({"S1": ("disagree", 60)}, "again")
    assert welcome.stands() == {"first": ANSWERS, "again": {"S1": ("disagree", 60)}}
    welcome.delete()
    welcome.delete()  # nothing left to delete is no error
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({}, "one statement at least"),
        ({"S9": ("agree", 80)}, "The statement is 'S9', but it must be one of S1, S2, S3, S4, S5"),
        ({"S1": "agree"}, "The answer to S1 is 'agree', .* an opinion and how sure"),
        ({"S1": ("perhaps", 80)}, "The opinion on S1 is 'perhaps', .* one of agree, disagree, it depends"),
        ({"S1": ("agree", 40)}, "How sure you are of S1 is 40, .* a whole number from 50 to 100"),
        ({"S1": ("agree", True)}, "is True"),
        ({"S1": ("agree", "80")}, "is '80'"),
    ],
)
def test_an_answer_without_sense_is_told_and_nothing_is_lost(answers, message):
    welcome.keep(ANSWERS)
    with pytest.raises(ValueError, match=message):
        welcome.keep(answers)
    assert re.search(message, asked(welcome.Stand(), do="keep", answers=answers))
    assert welcome.stands() == {"first": ANSWERS}


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"x": {}}', '{"first": 3}', '{"first": {"S1": ["agree", 400]}}', "\udcff"]
)
def test_a_damaged_file_is_told_and_kept(folder, content):
    (folder / "my_stand.json").write_text(content, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(welcome.StandError, match="cannot be read as a stand"):
        welcome.stands()
    form = welcome.Stand()
    assert "Delete it" in form.message["text"]
    assert "Delete it" in asked(form, do="keep", answers={"S1": ["agree", 80]})
    assert (folder / "my_stand.json").read_text(encoding="utf-8", errors="surrogateescape") == content
    assert "Deleted" in asked(form, do="delete")
    assert "Kept in my_stand.json" in asked(form, do="keep", answers={"S1": ["agree", 80]})


def test_a_folder_that_cannot_be_written_is_told(folder, monkeypatch):
    monkeypatch.setattr(welcome, "FILE", folder / "nowhere" / "my_stand.json")
    message = asked(welcome.Stand(), do="keep", answers={"S1": ["agree", 80]})
    assert "cannot be written here: there is no such folder" in message and "paper" in message


def test_a_stand_survives_a_broken_disk(broken_disk, monkeypatch):
    folder, break_it, words = broken_disk
    monkeypatch.chdir(folder)
    try:
        welcome.keep(ANSWERS)
        break_it()
        before = sorted(os.listdir(folder))
        with pytest.raises(welcome.StandError, match=f"cannot be written here: {words}.*still there.*paper"):
            welcome.keep({"S1": ("disagree", 60)}, "again")
        assert welcome.stands() == {"first": ANSWERS} and sorted(os.listdir(folder)) == before
        form = welcome.Stand()
        assert words in asked(form, do="keep", answers={"S2": ["agree", 70]})
        assert form.stands == {"first": ANSWERS}
    finally:
        monkeypatch.undo()  # out of the folder, so that it can be unmounted


ODD = [
    None,
    "",
    "3",
    [],
    {},
    1j,
    object(),
    float("nan"),
    -7,
    10**400,
    True,
    "ä" * 500,
    np.array(["a", "b"]),
    (None,),
]


@pytest.mark.parametrize(
    "ask",
    [
        welcome.keep,
        lambda odd: welcome.keep({"S1": odd}),
        lambda odd: welcome.keep({"S1": (odd, 80)}),
        lambda odd: welcome.keep({"S1": ("agree", odd)}),
        lambda odd: welcome.keep({"S1": ("agree", 80)}, odd),
    ],
    ids=["answers", "answer", "opinion", "certainty", "time"],
)
def test_any_odd_stand_is_refused_by_name(ask):
    for odd in ODD:
        with pytest.raises(ValueError, match=r"must be|one statement at least") as error:
            ask(odd)
        assert len(str(error.value)) < 1000
    assert welcome.stands() == {}


def test_the_form_keeps_what_its_front_end_sends_and_shows_what_was_kept():
    form = welcome.Stand()
    assert form.time == "first" and form.stands == {}
    assert "one statement at least" in asked(form, do="keep", answers={})
    number = form.message["number"]
    assert "Kept" in asked(form, do="keep", answers={"S2": ["it depends", 65]})
    assert form.message["number"] == number + 1
    assert welcome.stands() == {"first": {"S2": ("it depends", 65)}} == form.stands
    again = welcome.Stand(found={"S2": "True."})
    assert again.time == "again" and again.stands == form.stands
    asked(again, do="keep", answers={"S2": ["agree", 95]})
    assert (
        welcome.stands()["again"] == {"S2": ("agree", 95)}
        and welcome.stands()["first"] == form.stands["first"]
    )


def test_what_stands_in_a_notebook_does_not_depend_on_the_learner():
    before = welcome.Stand()._repr_mimebundle_()[0]["text/plain"]
    welcome.keep(ANSWERS)
    assert welcome.Stand()._repr_mimebundle_()[0]["text/plain"] == before


def test_a_sound_installation():
    lines = welcome.installation()
    assert len(lines) == 3 and all(fine for fine, _ in lines)
    box = welcome.Installation()
    assert box.lines == [list(line) for line in lines]
    assert box._repr_mimebundle_()[0]["text/plain"].startswith("Run this cell")


def test_another_version_and_a_missing_package_are_named(monkeypatch):
    found = metadata.version

    def version(name):
        if name == "seaborn":
            raise metadata.PackageNotFoundError(name)
        return "0.1" if name == "numpy" else found(name)

    monkeypatch.setattr(welcome.metadata, "version", version)
    problems = [text for fine, text in welcome.installation() if not fine]
    assert len(problems) == 1
    assert (
        f"numpy 0.1 (tested: {found('numpy')}), " in problems[0]
        and "seaborn missing (tested: " in problems[0]
    )
    assert "first command of the README" in problems[0]
    assert problems[0] in welcome.Installation().fallback


def test_a_course_without_its_data_or_its_font_is_told(folder, monkeypatch):
    monkeypatch.setattr(welcome, "__file__", str(folder / "utils" / "welcome.py"))

    def findfont(name, **settings):
        raise ValueError(name)

    monkeypatch.setattr(welcome.font_manager, "findfont", findfont)
    problems = " ".join(text for fine, text in welcome.installation() if not fine)
    for part in (
        "requirements.txt, is not beside the course",
        "font of the figures, DejaVu Sans, is missing",
        "What should be in the folder datasets is not",
    ):
        assert part in problems


def test_the_file_is_plain_text_that_a_learner_can_read(folder):
    welcome.keep(ANSWERS)
    assert json.loads((folder / "my_stand.json").read_text(encoding="utf-8")) == {
        "first": {k: list(v) for k, v in ANSWERS.items()}
    }
