"""The teachers' pages speak of the lessons as they are: sections, minutes, panels, numbers, words."""

import html
import re
import shutil
from functools import cache

import minutes
import nbformat
import pytest
import slides
from harness import ROOT

TEACHING = ROOT / "teaching"
ROUTES = sorted(TEACHING.glob("route_*.md"))
NOTES = sorted(TEACHING.glob("[0-9][0-9]_*.md"))
# How much of a section's measured minutes a plan must give it, by what is done with it.
PACE = {"done": 1.0, "shown": 0.6, "told": 0.0}
FREE = {"told", "talk", "break"}


@cache
def lessons():
    """The lessons' notebooks by number."""
    return slides.lessons()


@cache
def names():
    return {path.name[:2]: path.stem for path in sorted((ROOT / "lessons").glob("*.ipynb"))}


@cache
def sections(number):
    """How many minutes the sections of a lesson take, by their headings."""
    parts = slides.sections(lessons()[number])
    return {
        name: minutes.measure(nbformat.v4.new_notebook(cells=cells)).minutes for name, cells in parts.items()
    }


@cache
def tasks(number):
    """The tasks of a lesson's exercise, and the minutes that the lesson gives each of them."""
    text = (ROOT / f"source/solutions/{names()[number]}.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (Task .*)$", text, re.M)
    stated = re.search(r"(\d+) minutes for its exercise", says(number))
    return headings, int(stated[1]) / len(headings)


def plans(path):
    return list(slides.plans(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", ROUTES, ids=lambda path: path.stem)
def test_a_plan_is_a_plan_of_the_lessons_as_they_are(path):
    wrong = []
    for rows in plans(path):
        clock = 0
        for row in rows:
            if row.at != clock:
                wrong.append(f"{row.section}: begins at {row.at} minutes, and the rows above end at {clock}")
            clock = row.at + row.minutes
            if not row.lesson:
                if row.how not in FREE:
                    wrong.append(f"{row.section}: {row.how} without a lesson")
            elif row.lesson not in lessons():
                wrong.append(f"{row.section}: there is no such lesson")
            elif row.how == "exercise":
                there, each = tasks(row.lesson)
                if row.section not in there or row.minutes < each:
                    wrong.append(f"{row.section}: tasks are {there}, of {each:.0f} minutes")
            elif row.section not in sections(row.lesson):
                wrong.append(f"{row.section}: sections are {list(sections(row.lesson))}")
            elif row.minutes < (needed := PACE[row.how] * sections(row.lesson)[row.section]):
                wrong.append(f"{row.section}: {row.minutes} minutes, and {row.how} takes {needed:.1f}")
    assert wrong == []


def test_the_routes_are_as_long_as_they_say_and_have_their_breaks():
    lengths = {path.stem: [rows[-1].at + rows[-1].minutes for rows in plans(path)] for path in ROUTES}
    assert lengths == {
        "route_90_minutes": [90],
        "route_half_a_day": [210],
        "route_a_day": [440],
        "route_two_half_days": [210, 210],
    }
    for path in ROUTES:
        for rows in plans(path):
            pauses = [row for row in rows if row.how == "break"]
            begins = [0, *(row.at + row.minutes for row in pauses)]
            ends = [*(row.at for row in pauses), rows[-1].at + rows[-1].minutes]
            assert max(end - begin for begin, end in zip(begins, ends, strict=True)) <= 90, path.stem


def test_what_a_plan_drops_when_it_is_late_is_in_it():
    """The minutes that may be saved are those of a row of the plan, or fewer."""
    for path in ROUTES:
        text = path.read_text(encoding="utf-8")
        late = re.search(r"^\*\*Late\?\*\*(.*)$", text, re.M)[1]
        there = {row.minutes for rows in plans(path) for row in rows}
        pauses = {
            f"{row.at // 60}:{row.at % 60:02}" for rows in plans(path) for row in rows if row.how == "break"
        }
        assert set(re.findall(r"\d:\d\d", late)) <= pauses, path.stem
        for saved in re.findall(r"\((?:save )?(\d+)(?: minutes)?\)", late):
            assert int(saved) in there, f"{path.stem}: {saved} minutes"


def test_the_first_lesson_sends_learners_the_same_ways():
    """Its table of routes names no lesson that the plan for teachers leaves out."""
    table = lessons()["00"].cells
    text = "\n".join(cell.source for cell in table)
    for words, name in (("90 minutes", "90_minutes"), ("half a day", "half_a_day"), ("a full day", "a_day")):
        row = re.search(rf"^\| {words} \| (.*) \|$", text, re.M)[1]
        planned = {row.lesson for rows in plans(TEACHING / f"route_{name}.md") for row in rows} - {""}
        assert set(re.findall(r"\b0\d\b", row)) == planned, words


def numbers(text):
    """The figures of a text that are results: decimals and percentages, without leading zeros and signs."""
    text = text.replace("−", "-").replace("\u00a0", " ")
    text = re.sub(r"\]\([^)]*\)|doi:\S+", "", text)
    found = re.findall(r"(?<![\d.])(\d*\.\d+|\d+(?= ?%))", text)
    return {number.lstrip("0") or "0" for number in found}


@cache
def says(number):
    """All that a lesson says: its text, its code, what its cells print."""
    cells = lessons()[number].cells
    outputs = [
        output.get("text", "") or output.get("data", {}).get("text/plain", "")
        for cell in cells
        for output in cell.get("outputs", [])
    ]
    return "\n".join([*(cell.source for cell in cells), *outputs])


def test_every_lesson_has_its_notes():
    assert [path.stem for path in NOTES] == list(names().values())


@pytest.mark.parametrize("path", NOTES, ids=lambda path: path.stem)
def test_the_figures_of_the_notes_are_the_lessons(path):
    text, said = path.read_text(encoding="utf-8"), says(path.name[:2])
    assert text.startswith("# " + path.name[:2])
    assert sorted(numbers(text) - numbers(said)) == []
    assert len(numbers(text)) >= 3


@pytest.mark.parametrize("path", NOTES, ids=lambda path: path.stem)
def test_the_notes_speak_of_every_panel_of_their_lesson(path):
    shown = re.findall(r"^panel\((\w+)", says(path.name[:2]), re.M)
    noted = re.findall(r"^\| `(\w+)` \|", path.read_text(encoding="utf-8"), re.M)
    assert sorted(noted) == sorted(shown)


@pytest.mark.parametrize("path", NOTES, ids=lambda path: path.stem)
def test_the_notes_have_what_a_teacher_looks_for(path):
    text = path.read_text(encoding="utf-8")
    for words in ("**Aim.**", "**The sentence to end on.**", "## What learners answer", "## To discuss"):
        assert words in text
    answers = text.split("## What learners answer")[1].split("\n## ")[0]
    assert answers.count("\n| ") >= 4  # the head and three answers
    # Sections go by their names, which stand in the lesson; their numbers move.
    assert not re.search(r"[Ss]ections? \d", text)
    assert {name for name in re.findall("“(.*?)”", text) if name not in sections(path.name[:2])} == set()


def test_a_plan_of_another_lesson_would_be_found(tmp_path):
    text = (TEACHING / "route_90_minutes.md").read_text(encoding="utf-8")
    for right, wrong in (
        ("05: Pure noise, nearly", "05: Pure noise, hardly"),
        ("| 12 | done | 05: Pure", "| 11 | done | 05: Pure"),
        ("| 12 | done | 05: The same", "| 12 | told | 08: The same"),
    ):
        assert right in text
        page = tmp_path / "route.md"
        page.write_text(text.replace(right, wrong), encoding="utf-8")
        with pytest.raises(AssertionError):
            test_a_plan_is_a_plan_of_the_lessons_as_they_are(page)
    assert numbers("AUC .84 and 0.84, at 24 % or 24%, not 24 scans, -0.10") == {".84", "24", ".10"}


# Slides


@pytest.mark.parametrize("path", ROUTES, ids=lambda path: path.stem)
def test_slides_follow_the_plan_and_need_nothing_else(path):
    books = lessons()
    made = slides.page(path, books)
    titles = re.findall(r'<section aria-label="(.*?)">', made)
    for rows in plans(path):
        for row in rows:
            assert html.escape(row.section) in titles
    # No address is asked: pictures are in the page, and every one has its words.
    assert not re.search(r"<link|<script src|url\(|@import", made)
    pictures = re.findall(r"<img ([^>]*)>", made)
    assert len(pictures) >= 5
    assert all(re.search(r'src="data:image/png;base64,[^"]+" alt="[^"]+"', one) for one in pictures)


def test_a_slide_shows_what_a_section_asks_prints_and_draws():
    [panel] = [
        cells
        for name, cells in slides.sections(lessons()["00"]).items()
        if name == "A study with nothing in it"
    ]
    shown = slides.content(panel)
    assert "Which accuracy do they report?" in shown[0]
    assert "the study reports: 0.97" in shown[1] and "it would really get: 0.50" in shown[2]
    assert "Try this." in shown[3] and "the study reports 0.96" in shown[3]
    assert len(shown) == 4
    told = slides.Row(0, 2, "told", "05", "The verdict on S2")
    verdict, points = slides.of_row(told, lessons())
    assert "True, and for two separate reasons." in verdict and points.count("<li>") == 3
    talk = slides.Row(65, 5, "talk", "", "In pairs: a < b?")
    [shown] = slides.of_row(talk, {})
    assert "1:05 · 5 minutes" in shown and "<h2>In pairs: a &lt; b?</h2>" in shown


def test_the_slides_are_written_where_git_does_not_look(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(slides, "ROOT", tmp_path)
    monkeypatch.setattr(slides, "lessons", lessons)
    (tmp_path / "teaching").mkdir()
    shutil.copy(TEACHING / "route_90_minutes.md", tmp_path / "teaching")
    slides.main()
    assert (tmp_path / "build/slides/route_90_minutes.html").exists()
    assert "build/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert re.search(r"route_90_minutes.html: \d+ slides", capsys.readouterr().out)


# The room


def test_the_figures_of_the_room_are_those_that_were_measured():
    """Figures with a unit stand in LOAD.md or in the README, or follow from them."""
    room = (TEACHING / "room.md").read_text(encoding="utf-8")
    known = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("LOAD.md", "README.md"))
    figures = set(re.findall(r"\d[\d.]*(?= (?:MB|GB|kB|ms|Mbit/s|s\b))", room))
    for_thirty = {f"{(189 + 30 * 225) / 1000:.1f}", f"{(30 * 600 + 128) / 1000:.1f}"}
    assert {figure for figure in figures if not re.search(rf"\b{figure}\b", known)} == for_thirty


@pytest.mark.parametrize("name", ["feedback.html", "done.html"])
def test_a_page_to_print_needs_nothing_and_sends_nothing(name):
    text = (TEACHING / name).read_text(encoding="utf-8")
    assert '<html lang="en">' in text and "@page" in text
    assert not re.search(r"<(script|link|form|input|img|iframe|a)\b|https?:|url\(", text)


# Words


def test_the_lesson_that_is_named_uses_the_word():
    """In its text, whatever the case; and the words stand in order."""
    text = (ROOT / "GLOSSARY.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.*?) \| (.*?) \| (\d\d) \|$", text, re.M)
    assert len(rows) >= 60
    words = [word.casefold() for word, _, _ in rows]
    assert words == sorted(words) and len(words) == len(set(words))
    prose = {number: re.sub(r"\s+", " ", says(number)).casefold() for number in lessons()}
    wrong = []
    for word, meaning, number in rows:
        if not re.search(rf"\b{re.escape(word.casefold())}", prose[number]):
            wrong.append(f"lesson {number} does not speak of {word}")
        if len(meaning) > 250:
            wrong.append(f"{word} has a long explanation")
    assert wrong == []


def test_the_pages_lead_to_each_other():
    """A learner finds the words from the README; a teacher every page from the first one."""
    assert "(GLOSSARY.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "(teaching/README.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    first = (TEACHING / "README.md").read_text(encoding="utf-8")
    pages = {path.name for path in TEACHING.iterdir()} - {"README.md"}
    assert {name for name in pages if f"({name})" not in first} == set()
