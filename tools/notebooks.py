"""Make the notebooks from their text: `make notebooks`, or `make notebooks NOTEBOOKS=05` for some.

    source/lessons/NN_name.md    ->  lessons/NN_name.ipynb     executed
    source/solutions/NN_name.md  ->  solutions/NN_name.ipynb   executed
                                     exercises/NN_name.ipynb   the same without its answers, not executed

What differs between a solution and its exercise is marked in the text of the solution:

    # BEGIN SOLUTION: Fit the scaler inside the folds.     one line, in a code cell; the hint is optional
    ...                                                    these lines stand in the solution only; the
    # END SOLUTION                                         exercise has the hint as a comment, and `...`

    :tags: [solution-only]     a cell that the exercise lacks
    :tags: [exercise-only]     a cell that the solution lacks

The same text gives the same bytes, whenever and wherever it is run, or else the history would swell. A
notebook that would break that (a path, an address in memory, a timing), that warns or that is too large
is not written, and the message names the cell.
"""

import base64
import copy
import hashlib
import io
import json
import re
import sys
from collections import Counter
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "source"
FOLDERS = ("lessons", "solutions", "exercises")
MAX_NOTEBOOK = 600_000  # bytes
MAX_PICTURE = 60_000  # bytes
CELL_TIMEOUT = 300  # seconds
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

BEGIN = re.compile(r"^(?P<indent>\s*)# BEGIN SOLUTION(?::\s*(?P<hint>.*?))?\s*$")
END = re.compile(r"^\s*# END SOLUTION\s*$")
# What no output may hold, because it differs between machines or runs.
UNSTABLE = {
    "a path of this machine": re.compile(
        r"/(?:home|Users|root|tmp|var/folders|work)/\w|\b[A-Z]:\\\w|site-packages"
    ),
    "an address in memory": re.compile(r"\b0x[0-9a-fA-F]{6,}\b"),
    "a timing": re.compile(r"\b(?:Wall time|CPU times):|per loop \(mean"),
}


class BuildError(Exception):
    """A notebook cannot be made; the message names the file and the cell."""


PREDICTED = "predicted"
# The answers to a "Try this": folded, in the notebook, until the learner asks for them.
FOUND = re.compile(r"^(What you will have found):\n\n((?:(?:- |  ).*(?:\n|\Z))+)", re.M)


def sources(prefixes=()):
    """The texts of all notebooks, or of those whose names begin with one of `prefixes`, sorted."""
    found = sorted([*SOURCE.glob("lessons/*.md"), *SOURCE.glob("solutions/*.md")])
    return [path for path in found if not prefixes or path.name.startswith(tuple(prefixes))]


def notebooks():
    """The notebooks that are there, sorted."""
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("*.ipynb"))


def unexecuted(source):
    """The notebooks that a text gives, by their paths and without outputs."""
    text = jupytext.read(source, fmt="md:myst")
    lesson = source.parent.name == "lessons"
    kinds = {"lessons": None} if lesson else {"solutions": "solution", "exercises": "exercise"}
    made = {folder: _select(text, source, kind) for folder, kind in kinds.items()}
    codes = [[cell.source for cell in notebook.cells] for notebook in made.values()]
    if not lesson and codes[0] == codes[1]:
        raise BuildError(f"{_name(source)}: nothing is marked as the solution, so the exercise would show it")
    name = source.with_suffix(".ipynb").name
    for folder, notebook in made.items():
        if ways := _ways(source.stem, folder):
            notebook.cells.append(nbformat.v4.new_markdown_cell(ways))
    return {ROOT / folder / name: _tidy(notebook, source) for folder, notebook in made.items()}


def build(source):
    """Convert, execute and strip one text, and write its notebooks."""
    for path, notebook in unexecuted(source).items():
        if path.parent.name != "exercises":
            execute(notebook, path)
        content = (nbformat.writes(notebook, version=4) + "\n").encode()
        if len(content) > MAX_NOTEBOOK:
            raise BuildError(f"{_name(path)} has {len(content):,} bytes, more than {MAX_NOTEBOOK:,}")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        print(f"{_name(path)}: {len(notebook.cells)} cells, {len(content) / 1000:.0f} kB", flush=True)


def execute(notebook, path):
    """Run a notebook in its folder and leave in it only what is the same on every run."""
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    )
    path.parent.mkdir(exist_ok=True)
    metadata = copy.deepcopy(notebook.metadata)
    try:
        client.execute()
    except CellExecutionError as error:
        raise BuildError(f"{_name(path)}: a cell fails\n{error}") from None
    notebook.metadata = metadata  # without the widgets' state and this machine's Python version
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata.pop("execution", None)
            for output in cell.outputs:
                output.get("data", {}).pop(WIDGET_VIEW, None)
                if "image/png" in output.get("data", {}):
                    output.data["image/png"] = smaller(output.data["image/png"])
    found = problems(notebook)
    if found:
        raise BuildError("\n".join(f"{_name(path)}, {problem}" for problem in found))


def smaller(picture):
    """A PNG (base64) with a palette of 256 colours, if that is smaller: a chart has few more, and looks the
    same."""
    image = Image.open(io.BytesIO(base64.b64decode(picture)))
    if (
        image.mode == "P" or image.convert("RGBA").getextrema()[3][0] < 255
    ):  # has a palette, or is transparent
        return picture
    buffer = io.BytesIO()
    image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(buffer, "png", optimize=True)
    return min(picture, base64.b64encode(buffer.getvalue()).decode() + "\n", key=len)


def problems(notebook):
    """What may not stand in a notebook's outputs: one sentence each, naming the cell."""
    found = []
    if "widgets" in notebook.metadata:
        found.append("metadata: the state of widgets is stored")
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            for problem in _output_problems(output):
                first = (cell.source.strip().splitlines() or [""])[0]
                found.append(f"cell {number} ({first}): {problem}")
    return found


def drift():
    """How the committed notebooks differ from their texts, one sentence each; nothing is executed."""
    found, expected = [], {}
    for source in sources():
        expected.update(unexecuted(source))
    present = set(notebooks())
    found += [f"{_name(path)} is missing" for path in sorted(expected.keys() - present)]
    found += [f"{_name(path)} has no source" for path in sorted(present - expected.keys())]
    for path in sorted(expected.keys() & present):
        committed, wanted = nbformat.read(path, as_version=4), expected[path]
        if committed.metadata != wanted.metadata:
            found.append(f"{_name(path)}: the notebook's metadata differ from those of its source")
        if len(committed.cells) != len(wanted.cells):
            found.append(f"{_name(path)} has {len(committed.cells)} cells, its source {len(wanted.cells)}")
        pairs = zip(committed.cells, wanted.cells, strict=False)
        for number, (one, other) in enumerate(pairs):
            if any(one[key] != other[key] for key in ("cell_type", "source", "metadata", "id")):
                found.append(f"{_name(path)}: cell {number} differs from its source")
                break  # those after it often differ only because they have moved
    return found


def _select(text, source, kind):
    """The cells of a lesson (`kind` None), of a solution or of an exercise."""
    notebook = copy.deepcopy(text)
    unwanted = {"solution": "exercise-only", "exercise": "solution-only"}.get(kind)
    cells = [cell for cell in notebook.cells if unwanted not in cell.metadata.get("tags", [])]
    for number, cell in enumerate(cells):
        tags = [tag for tag in cell.metadata.get("tags", []) if tag not in ("solution-only", "exercise-only")]
        cell.metadata.pop("tags", None)
        if tags:
            cell.metadata["tags"] = tags
        if cell.cell_type == "code":
            cell.source = _without_markers(cell.source, kind, f"{_name(source)}, cell {number}")
    notebook.cells = cells
    return notebook


def _ways(name, folder):
    """Links from a notebook to its lesson, exercise and solution, and to the lessons before and after it."""
    lessons = sorted(path.stem for path in (SOURCE / "lessons").glob("*.md"))
    if name not in lessons:
        return ""
    at = lessons.index(name)
    ways = [("lessons", one, f"← Lesson {one[:2]}") for one in lessons[:at][-1:]]
    if (SOURCE / "solutions" / f"{name}.md").exists():
        own = ("lessons", f"Lesson {name[:2]}"), ("exercises", "Exercise"), ("solutions", "Solution")
        ways += [(there, name, label) for there, label in own if there != folder]
    ways += [("lessons", one, f"Lesson {one[:2]} →") for one in lessons[at + 1 :][:1]]
    return " · ".join(f"[{label}](../{there}/{other}.ipynb)" for there, other, label in ways)


def _without_markers(code, kind, where):
    kept, inside = [], False
    for line in code.splitlines():
        begin, end = BEGIN.match(line), END.match(line)
        if (begin or end) and (kind is None or bool(begin) == inside):
            raise BuildError(f"{where}: `{line.strip()}` is out of place")
        if begin:
            inside = True
            if kind == "exercise":
                hint = begin["hint"] or "Your code here."
                kept += [f"{begin['indent']}# {hint}", f"{begin['indent']}..."]
        elif end:
            inside = False
        elif not (inside and kind == "exercise"):
            kept.append(line)
    if inside:
        raise BuildError(f"{where}: `# BEGIN SOLUTION` without `# END SOLUTION`")
    return "\n".join(kept)


def _tidy(notebook, source):
    """Fix what could vary in an unexecuted notebook: its metadata and the names of its cells."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
            "source": f"Generated by `make notebooks`. Edit {_name(source)} in its place.",
        }
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    seen = Counter()
    for cell in notebook.cells:
        key = f"{cell.cell_type}\n{cell.source}"
        cell.id = hashlib.sha256(f"{key}\n{seen[key]}".encode()).hexdigest()[:8]
        seen[key] += 1
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            # What a learner is asked to predict is folded until they run the cell.
            if PREDICTED in cell.metadata.get("tags", []) or re.search(
                r"^panel\(.*\bguess=", cell.source, re.M | re.S
            ):
                cell.metadata["jupyter"] = {"outputs_hidden": True}
        else:
            # What follows the fold is Markdown only after an empty line.
            folded = r"<details>\n<summary>\1</summary>\n\n\2\n\n</details>\n"
            cell.source = FOUND.sub(folded, cell.source).rstrip("\n")
    nbformat.validate(notebook)
    return notebook


def _output_problems(output):
    if output.get("name") == "stderr":
        yield f"it warns: {output.text.strip()[:300]}"
    data = output.get("data", {})
    if WIDGET_VIEW in data:
        yield "a widget's view is stored"
    if output.output_type in ("display_data", "execute_result") and not data:
        yield "it shows a widget that has no picture or text to fall back on"
    texts = [output.get("text", ""), *output.get("traceback", [])]
    for kind, content in data.items():
        if kind == "image/png":
            size = len(base64.b64decode(content))
            if size > MAX_PICTURE:
                yield f"its picture has {size:,} bytes; at most {MAX_PICTURE:,} are allowed"
        else:
            texts.append(content if isinstance(content, str) else json.dumps(content))
    for what, pattern in UNSTABLE.items():
        match = pattern.search("\n".join(texts))
        if match:
            yield f"it holds {what}: {match[0]}"


def _name(path):
    return path.relative_to(ROOT).as_posix()


def main(prefixes):
    chosen, failed = sources(prefixes), False
    if not chosen:
        sys.exit(f"No text under source/ has a name that begins with {' or '.join(prefixes) or 'anything'}.")
    for source in chosen:
        try:
            build(source)
        except BuildError as error:
            failed = True
            print(error, file=sys.stderr, flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main(sys.argv[1:])
