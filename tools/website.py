"""Make the site of the course, for a browser alone: `make site` writes build/site.

Its pages are the README, the lessons and solutions as executed, the exercises, the teachers' pages and the
pages that prove and measure. It can be opened from the disk or served by anything; no page asks for anything
elsewhere. Panels move without Python: tools/bake.py computes them. That takes a while, once: what is computed
is kept in build/bake until the code that it depends on changes.
"""

import html
import json
import posixpath
import re
import shutil
import sys
import time
from pathlib import Path
from typing import NamedTuple

import bake
import jinja2
import joblib
import mistune
import nbformat
from mathml import mathml
from mistune.plugins.table import table
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

ROOT = Path(__file__).resolve().parent.parent
WEB = Path(__file__).with_name("web")
LOOK_UP = ["GLOSSARY", "CHANGELOG", "REFERENCE", "BENCHMARK", "LOAD", "AUDIT_RATES", "CONTRIBUTING"]
NOTES = {
    "README.md": "These are the pages of the course, to read in a browser. The panels move here too, at some "
    'of their settings: try <a href="lessons/00_start_here.html">the first lesson</a>. To run and change the '
    "code, to do the exercises and to audit your own study, start the course as this page says.",
    "exercises": "An exercise is done in the course itself, where a check answers you at once: "
    '<a href="../index.html#start">start it</a>, and open <code>{path}</code>.',
    "solutions": "What an exercise asks for is folded. Try it first: "
    '<a href="../exercises/{stem}.html">the exercise</a>.',
}


class Page(NamedTuple):
    """A page of the site: the course's file that it is made from, its group, its name and its own file."""

    source: str
    group: str
    name: str
    target: str


def pages(root=ROOT):
    """All pages of the site, by their sources, in the order of the contents."""
    found = [("The course", root / "README.md")]
    for group in ("lessons", "exercises", "solutions"):
        found += [(group.capitalize(), path) for path in sorted((root / group).glob("*.ipynb"))]
    found += [("For teachers", root / "teaching/README.md")]
    found += [("For teachers", path) for path in sorted((root / "teaching").glob("[a-z]*.md"))]
    found += [
        ("For teachers: lesson by lesson", path) for path in sorted((root / "teaching").glob("[0-9]*.md"))
    ]
    found += [("Look up", root / f"{name}.md") for name in LOOK_UP]
    found += [("Data sets", path) for path in sorted((root / "datasets").glob("*.md"))]
    made = {}
    for group, path in found:
        source = path.relative_to(root).as_posix()
        target = re.sub(r"README\.html$", "index.html", str(Path(source).with_suffix(".html").as_posix()))
        name = "About the course" if source == "README.md" else _title(path)
        made[source] = Page(source, group, name, target)
    return made


def _title(path):
    """The first heading of a page or a notebook."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = nbformat.reads(text, as_version=4).cells[0].source
    return re.search(r"^# (.*)$", text, re.M)[1].replace("`", "")


class Renderer(mistune.HTMLRenderer):
    """Headings with a name, links between the pages of the site, code in colours."""

    def __init__(self, page, book):
        super().__init__(escape=False)
        self.page, self.book = page, book
        self.named, self.files = {}, set()

    def heading(self, text, level, **attributes):
        name = re.sub(r"[^\w\- ]", "", html.unescape(re.sub("<[^>]*>", "", text)).strip().lower()).replace(
            " ", "-"
        )
        self.named[name] = count = self.named.get(name, 0) + 1
        name += f"-{count - 1}" if count > 1 else ""
        return f'<h{level} id="{name}">{text}</h{level}>\n'

    def _to(self, address):
        """Where a link leads: to a page of the site, to a file that is copied, or elsewhere."""
        place, mark, heading = address.partition("#")
        if re.match(r"[a-z]+:", address) or not place:
            return address
        there = posixpath.normpath(posixpath.join(posixpath.dirname(self.page.source), place))
        if there in self.book:
            there = self.book[there].target
        elif (ROOT / there).is_file():
            self.files.add(there)
        else:
            raise ValueError(f"{self.page.source}: there is no {address}")
        return posixpath.relpath(there, posixpath.dirname(self.page.target) or ".") + mark + heading

    def link(self, text, url, title=None):
        return f'<a href="{html.escape(self._to(url))}">{text}</a>'

    def image(self, text, url, title=None):
        source, said = html.escape(self._to(url)), html.escape(html.unescape(text))
        return f'<img src="{source}" alt="{said}" loading="lazy">'

    def inline_html(self, html):
        return re.sub(r'\b(src|srcset|href)="([^"]+)"', lambda m: f'{m[1]}="{self._to(m[2])}"', html)

    def block_html(self, html):
        return self.inline_html(html)

    def block_code(self, code, info=None):
        return coloured(code, (info or "").strip("{} ").split()[0] if info else "")


def coloured(code, language):
    """A listing."""
    try:
        lexer = get_lexer_by_name("python" if language.startswith("code-cell") else language or "text")
    except ClassNotFound:
        lexer = get_lexer_by_name("text")
    inner = highlight(code.strip("\n"), lexer, HtmlFormatter(nowrap=True))
    return f'<pre class="code" tabindex="0"><code>{inner}</code></pre>\n'


def folded(summary, inner):
    return f"<details><summary>{summary}</summary>\n{inner}</details>\n"


class Maker:
    """Makes the text of one page."""

    def __init__(self, page, book):
        self.renderer = Renderer(page, book)
        self.markdown = mistune.create_markdown(renderer=self.renderer, plugins=[table, "strikethrough"])
        self.heading = ""

    def prose(self, text):
        """Markdown as HTML; formulas as MathML."""
        formulas = []

        def keep(found):
            formulas.append(mathml(found[1]))
            return f"FORMULA{len(formulas) - 1}ENDS"

        made = self.markdown(re.sub(r"\$\$(.+?)\$\$", keep, text, flags=re.S))
        if headings := re.findall(r"<h\d[^>]*>(.*?)</h\d>", made):
            self.heading = html.unescape(re.sub("<[^>]*>", "", headings[-1]))
        made = re.sub(r"FORMULA(\d+)ENDS", lambda found: formulas[int(found[1])], made)
        return scrolling(made)

    def output(self, output):
        """An output of a cell: a picture, a table, text."""
        data = output.get("data", {"text/plain": output.get("text", "")})
        if "image/png" in data:
            said = output.metadata.get("image/png", {}).get("alt") or (
                f"The figure that the code above draws, in the section “{self.heading}”."
            )
            width = output.metadata.get("image/png", {}).get("width", "")
            source = "data:image/png;base64," + data["image/png"].replace("\n", "")
            size = f' width="{width}"' if width else ""
            return f'<figure><img src="{source}" alt="{html.escape(said)}"{size}></figure>\n'
        if "text/markdown" in data:
            return f"<div>{self.prose(data['text/markdown'])}</div>\n"
        if "text/html" in data:
            return scrolling(
                re.sub(r'<style scoped>.*?</style>| border="1"', "", data["text/html"], flags=re.S)
            )
        text = html.escape(data["text/plain"].rstrip())
        kind = "out" if "\n" in text else "out sentence"
        return f'<pre class="{kind}" tabindex="0">{text}</pre>\n' if text else ""

    def cell(self, cell, panel="", answer=False):
        """A cell: its text, or its code and outputs; the code of an `answer` is folded."""
        if cell.cell_type == "markdown":
            made = self.prose(cell.source)
            return folded("Why", made) if answer else made
        hidden = cell.metadata.get("jupyter", {})
        code = coloured(cell.source, "python")
        if answer or panel or hidden.get("source_hidden"):
            code = folded("The solution" if answer else "The code of this cell", code)
        outputs = "".join(map(self.output, cell.get("outputs", [])))
        if outputs and hidden.get("outputs_hidden"):
            outputs = folded("What comes out (make your guess first)", outputs)
        return code + (f'<div class="panel" data-panel="{panel}">{outputs}</div>\n' if panel else outputs)

    def notebook(self, path, panels):
        """The text of a notebook; `panels` are the names of its panels' files by their cells' numbers."""
        asked = None
        if path.parent.name == "solutions":
            there = path.parent.parent / "exercises" / path.name
            asked = {cell.source for cell in nbformat.read(there, as_version=4).cells}
        return "".join(
            self.cell(cell, panels.get(number, ""), asked is not None and number and cell.source not in asked)
            for number, cell in enumerate(nbformat.read(path, as_version=4).cells)
        )


def scrolling(made):
    """HTML whose tables scroll in a box of their own, and whose empty corners are no headings."""
    made = re.sub(r"<th[^>]*>\s*</th>", "<td></td>", made)
    return re.sub(r"<table.*?</table>", r'<div class="scroll" tabindex="0">\g<0></div>', made, flags=re.S)


def sections(page, body):
    """What search finds: of each section of a page its address, page, heading and text."""
    body = re.sub(r"<(style|svg|math)\b.*?</\1>", " ", body, flags=re.S)
    parts = re.split(r'<h[1-4] id="([^"]*)">(.*?)</h[1-4]>', body, flags=re.S)
    for name, heading, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        plain = [" ".join(html.unescape(re.sub("<[^>]*>", " ", one)).split()) for one in (heading, text)]
        yield [f"{page.target}#{name}", page.name, *plain]


def short(page):
    """A page's name under the heading of its group: "05 Cross-validation and its pitfalls"."""
    name = re.sub("^(Exercise|Solution): |: notes for teachers$", "", page.name)
    number = re.match(r"\d\d", Path(page.source).name)
    return name if not number or re.match(r"\d\d", name) else f"{number[0]} {name[0].upper()}{name[1:]}"


def contents(page, book):
    """The groups of the contents as a page shows them, and its neighbours in its group."""
    start = posixpath.dirname(page.target) or "."
    groups = {}
    for one in book.values():
        entry = {"href": posixpath.relpath(one.target, start), "name": short(one), "here": one is page}
        groups.setdefault(one.group, []).append(entry)
    own = groups[page.group]
    at = next(i for i, one in enumerate(own) if one["here"])
    return list(groups.items()), own[at - 1] if at else None, own[at + 1] if at + 1 < len(own) else None


def write_page(page, book, target, panels):
    """Write a page; give its entries for the search, and the files that it links to."""
    maker, path = Maker(page, book), ROOT / page.source
    text = maker.notebook(path, panels) if path.suffix == ".ipynb" else maker.prose(path.read_text("utf-8"))
    if first := panels.get("first"):
        # On a page where panels move, a picture of one would be taken for one.
        live = f'<div class="panel" data-panel="{first}">\\g<0></div>'
        text = re.sub(r"<picture>.*?</picture>", live, text, count=1, flags=re.S)
    note = NOTES.get(page.source) or NOTES.get(page.source.split("/")[0], "")
    note = note.format(path=page.source, stem=path.stem)
    groups, before, after = contents(page, book)
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(WEB), undefined=jinja2.StrictUndefined)
    made = environment.get_template("page.jinja").render(
        page={"title": page.name, "target": page.target},
        up="../" * page.target.count("/"),
        note=f'<p class="note">{note}</p>' if note else "",
        body=text,
        contents=groups,
        before=before,
        after=after,
    )
    place = target / page.target
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(made, encoding="utf-8")
    return list(sections(page, text)), maker.renderer.files


def plain_script(path, export, instead):
    """A module as a script: a page from the disk may load no modules."""
    text = path.read_text(encoding="utf-8")
    if text.count(export) != 1 or re.search(r"^import ", text, re.M):
        raise ValueError(f"{path.name} is not the module that the site expects.")
    return f"(() => {{\n{text.replace(export, instead)}\n}})();\n"


def write_assets(target, index):
    """The files that all pages share."""
    folder, utils = target / "assets", ROOT / "utils"
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        "site.css": (WEB / "site.css").read_text("utf-8") + (utils / "panel.css").read_text("utf-8"),
        "site.js": (WEB / "site.js").read_text("utf-8"),
        "panels.js": plain_script(
            utils / "panel.js", "export default { render };", "globalThis.honestPanels.render = render;"
        ),
        "vega.js": plain_script(utils / "vega.js", "export default {};", ""),
        "index.js": f"globalThis.honestIndex = {json.dumps(index, separators=(',', ':'))};\n",
    }
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")


def write_site(target, calls, kept, most=bake.SETTINGS, jobs=-1, tell=print):
    """Write the site, with the panels of `calls`; the folder `kept` holds what was computed before."""
    book = pages()
    (target / "panels").mkdir(parents=True, exist_ok=True)
    began = time.time()
    made = joblib.Parallel(n_jobs=jobs, return_as="generator")(
        joblib.delayed(bake.script)(call, kept, most) for call in calls
    )
    for number, (call, text) in enumerate(zip(calls, made, strict=True), 1):
        (target / "panels" / f"{call.name}.js").write_text(text, encoding="utf-8")
        seconds, size = time.time() - began, len(text) / 1e6
        tell(f"{seconds:4.0f} s, panel {number} of {len(calls)}: {call.name}, {size:.2f} MB")
    index, files = [], set()
    for page in book.values():
        own = {call.cell: call.name for call in calls if call.lesson == ROOT / page.source}
        if page.source == "README.md" and calls:
            own["first"] = calls[0].name
        entries, linked = write_page(page, book, target, own)
        index += entries
        files |= linked
    for name in sorted(files):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target / name)
    write_assets(target, index)
    return book


def main():
    target = ROOT / "build/site"
    shutil.rmtree(target, ignore_errors=True)
    calls = [call for path in sorted((ROOT / "lessons").glob("*.ipynb")) for call in bake.calls(path)]
    book = write_site(target, calls, ROOT / "build/bake")
    print(f"{len(book)} pages and {len(calls)} panels. Open build/site/index.html in a browser.")


if __name__ == "__main__":
    sys.exit(main())
