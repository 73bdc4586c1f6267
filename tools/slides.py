"""Make the slides of every route from its plan and the lessons: `make slides`.

Each plan teaching/route_*.md gives a page build/slides/route_*.html that needs no other file and no network:
a slide for each row of the plan, and for a row of a lesson what stands in that section: the statement,
questions, "Try this", pictures, what cells print; behind a verdict the take-aways. Keys: arrows, space.
To have them on paper, print the page.
"""

import copy
import html
import re
from pathlib import Path
from typing import NamedTuple

import mistune
import nbformat

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 14  # lines of an output that a room can still read
MOST_WORDS = 100  # of a paragraph
STYLE = """
html { scroll-snap-type: y mandatory; font: clamp(16px, 2.3vw, 34px)/1.4 system-ui, sans-serif }
body { margin: 0; color: #111; background: #fff }
section { box-sizing: border-box; min-height: 100vh; padding: 4vh 6vw; border-bottom: 1px solid #ccc;
  scroll-snap-align: start; display: flex; flex-direction: column; justify-content: center }
h1 { font-size: 1.9em } h2 { font-size: 1.35em; margin: 0 0 .5em }
.where { font-size: .6em; color: #555; margin: 0 0 1em }
blockquote { border-left: .25em solid #0072B2; margin: 0; padding-left: .8em }
pre { font-size: .7em; overflow-x: auto; background: #f4f4f4; padding: .8em }
figure { margin: 0 } img { max-width: 100%; max-height: 66vh }
.beside { display: grid; grid-template-columns: 2fr 3fr; gap: 2vw; align-items: center }
.beside > div { font-size: .8em }
@media (max-width: 700px) { .beside { grid-template-columns: 1fr } }
@page { size: A4 landscape; margin: 8mm }
@media print { html { font-size: 18px } section { break-after: page; min-height: 0; border: 0 } }
"""
KEYS = """
addEventListener("keydown", event => {
  const forth = ["ArrowRight", "ArrowDown", "PageDown", " "].includes(event.key);
  if (!forth && !["ArrowLeft", "ArrowUp", "PageUp"].includes(event.key)) return;
  event.preventDefault();
  const slides = [...document.querySelectorAll("section")];
  const here = slides.findLastIndex(slide => slide.getBoundingClientRect().top < innerHeight / 2);
  slides[Math.max(0, Math.min(slides.length - 1, here + (forth ? 1 : -1)))].scrollIntoView();
});
"""


class Row(NamedTuple):
    """A row of a plan; of a break or a talk, lesson is empty and section says what it is."""

    at: int
    minutes: int
    how: str
    lesson: str
    section: str


def plans(text):
    """The tables of a plan's page, each a list of rows."""
    for table in re.findall(r"^\| at \|.*\n\|[-|]+\n((?:\|.*\n?)+)", text, re.MULTILINE):
        rows = []
        for line in table.splitlines():
            at, minutes, how, what, _ = (cell.strip() for cell in line.strip("|").split("|"))
            hours, past = at.split(":")
            lesson, section = re.fullmatch(r"(?:(\d\d): )?(.*)", what).groups(default="")
            rows.append(Row(60 * int(hours) + int(past), int(minutes), how, lesson, section))
        yield rows


def lessons():
    """The lessons' notebooks by their numbers, executed."""
    paths = sorted((ROOT / "lessons").glob("*.ipynb"))
    return {path.name[:2]: nbformat.read(path, as_version=4) for path in paths}


def sections(notebook):
    """The cells of each section by its heading, without its number; a cell of two sections is cut."""
    found, cells = {}, []
    for cell in notebook.cells:
        markdown = cell.cell_type == "markdown"
        parts = re.split(r"^(?=#+ [A-Z\d])", cell.source, flags=re.MULTILINE) if markdown else [cell.source]
        for part in filter(str.strip, parts):
            heading = re.match(r"#{1,3} (?:\d+\. )?(.*)", part) if markdown else None
            if heading:
                cells = found.setdefault(heading[1], [])
            one = copy.copy(cell)
            one.source = part
            cells.append(one)
    return found


def picture(output):
    """An output's picture as a figure, its sentence as the alternative text, or nothing."""
    data = output.get("data", {})
    kind = next((kind for kind in ("image/svg+xml", "image/png") if kind in data), None)
    if kind is None:
        return ""
    says = html.escape(output.metadata.get(kind, {}).get("alt", ""))
    shown = data[kind]
    if kind == "image/png":
        source = "data:image/png;base64," + shown.replace("\n", "")
        shown = f'<img src="{source}" alt="{says or "A figure of the lesson"}">'
    return f"<figure>{shown}</figure>"


def content(cells):
    """The slides of a section: HTML of each, in the order of the lesson."""
    slides, task = [], ""
    for cell in cells:
        if cell.cell_type == "markdown":
            for paragraph in re.split(r"\n\s*\n", cell.source):
                if paragraph.startswith("**Try this.**"):
                    task = mistune.html(paragraph)
                elif len(paragraph.split()) > MOST_WORDS:
                    continue
                elif paragraph.startswith(">") or re.search(r"\*\*[^*]*\?\*\*", paragraph):
                    slides.append(mistune.html(paragraph))
            continue
        for output in cell.outputs:
            printed = output.get("text", "").rstrip()
            if figure := picture(output):
                beside = f'<div class="beside"><div>{task}</div>{figure}</div>'
                slides.append(beside if task and cell.source.count("panel(") else figure)
                task = "" if "panel(" in cell.source else task
            elif printed and printed.count("\n") < LONGEST:
                slides.append(f"<pre>{html.escape(printed)}</pre>")
    return slides


def slide(inner, where, title):
    """One slide: where we are, its heading, and what it shows."""
    title = html.escape(title)
    head = f'<p class="where">{html.escape(where)}</p>' + (f"<h2>{title}</h2>" if title else "")
    return f'<section aria-label="{title}">{head}{inner}</section>'


def of_row(row, books):
    """The slides of a row of a plan."""
    where = f"{row.at // 60}:{row.at % 60:02} · {row.minutes} minutes"
    if not row.lesson:
        return [slide("", where, row.section)]
    where = f"Lesson {row.lesson} · {where}"
    if row.how == "exercise":
        inner = "<p>The check under your function says whether it is right, and why not.</p>"
        return [slide(inner, where, row.section)]
    parts = sections(books[row.lesson])
    inside = content(parts[row.section])
    if row.how == "told":  # a verdict: what it says in bold, and what to take away
        verdict, points = (
            "\n\n".join(cell.source for cell in parts[one]) for one in (row.section, "Take away")
        )
        bold = re.findall(r"^\*\*.+?\*\*", verdict, re.MULTILINE)
        numbered = re.findall(r"^\d\. .*$", points, re.MULTILINE)
        inside = [mistune.html("\n\n".join(bold)), mistune.html("\n".join(numbered))]
    return [slide(inner, where, row.section) for inner in inside or [""]]


def page(path, books):
    """The whole page of a plan."""
    text = path.read_text(encoding="utf-8")
    title = text.splitlines()[0].removeprefix("# ")
    slides = [slide("<h1>Honest machine learning in imaging</h1>", title, "")]
    for rows in plans(text):
        for row in rows:
            slides += of_row(row, books)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body>{''.join(slides)}<script>{KEYS}</script></body></html>\n"
    )


def main():
    folder, books = ROOT / "build/slides", lessons()
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((ROOT / "teaching").glob("route_*.md")):
        made = page(path, books)
        target = folder / path.with_suffix(".html").name
        target.write_text(made, encoding="utf-8")
        print(f"build/slides/{target.name}: {made.count('<section')} slides, {len(made) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
