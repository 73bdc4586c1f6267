"""Every lesson takes the minutes that it states, and at most an hour, by the measure of tools/minutes.py."""

import re

import minutes
import nbformat
import pytest

LESSONS = minutes.lessons()
README = (minutes.ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_fits_its_hour_and_states_its_minutes(name):
    one = LESSONS[name]
    assert one.minutes <= minutes.MOST_MINUTES
    assert one.up_to_questions <= minutes.MOST_WORDS
    text = (minutes.ROOT / "source" / "lessons" / f"{name}.md").read_text(encoding="utf-8")
    assert int(re.search(r"^\*\*Time\*\*: (\d+) minutes", text, re.MULTILINE)[1]) == one.stated
    row = re.search(
        rf"^\| {name[:2]} \| \[[^\]]+\]\(lessons/{name}\.ipynb\) \| (\d+) \|", README, re.MULTILINE
    )
    assert int(row[1]) == one.stated


def test_the_routes_take_what_their_lessons_take():
    """Rows such as "half a day | 00, 01, 05 | 140": 45 minutes more for each exercise."""
    start = nbformat.read(minutes.ROOT / "lessons" / "00_start_here.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in start.cells if cell.cell_type == "markdown")
    stated = {name[:2]: one.stated for name, one in LESSONS.items()}
    routes = re.findall(r"^\| [^|]*day \| ([^|]+) \| (\d+) \|$", text, re.MULTILINE)
    assert len(routes) == 3
    for lessons, whole in routes:
        found = sum(stated[number] for number in re.findall(r"\b\d\d\b", lessons))
        assert found + 45 * lessons.count("with its exercise") == int(whole)
    whole = re.findall(
        r"holds 00, 01, 05 and 06 \((\d+) .* 02, 07 and 09 \((\d+)\).* 06 and 09 \((\d+)\)", README
    )
    assert list(whole[0]) == [one[1] for one in routes]


def test_the_measure_counts_what_is_read_and_done_and_stops_at_the_references():
    def made(*cells):
        notebook = nbformat.v4.new_notebook()
        for kind, source, *more in cells:
            cell = getattr(nbformat.v4, f"new_{kind}_cell")(source)
            if more:
                cell.outputs = [nbformat.v4.new_output("stream", text=more[0])]
            notebook.cells.append(cell)
        return notebook

    folded = nbformat.v4.new_code_cell("a = 1", metadata={"jupyter": {"source_hidden": True}})
    notebook = made(
        ("markdown", "# One two\n\n<b>three</b> [four](http://five.six) |---|"),
        ("code", "x = 1\n\nprint(x)", "1 two"),
        ("code", "panel(name)", "three"),
        ("markdown", "## Two questions\n\nfive"),
        ("markdown", "## References\n\nsix"),
        ("markdown", "## Appendix\n\nseven"),
        ("code", "y = 2"),
    )
    notebook.cells.insert(1, folded)
    one = minutes.measure(notebook)
    assert (one.prose, one.up_to_questions, one.printed, one.code, one.doing) == (7, 4, 2, 2, 4)
    assert one.minutes == pytest.approx(9 / 180 + 0.2 + 4) and one.stated == 5
