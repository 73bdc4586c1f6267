"""The committed notebooks: made from their text, executed, stripped, small. (Their outputs: nbval.)"""

import ast
import base64
import functools
import io
import json
import re

import nbformat
import notebooks as build
import numpy as np
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from matplotlib.figure import Figure
from PIL import Image

NOTEBOOKS = build.notebooks()
EXECUTED = [path for path in NOTEBOOKS if path.parent.name != "exercises"]
EXERCISES = [path for path in NOTEBOOKS if path.parent.name == "exercises"]


def by_name(path):
    return f"{path.parent.name}/{path.stem}"


@functools.cache
def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def test_every_notebook_is_what_its_text_gives():
    assert build.drift() == []


def test_there_are_notebooks_of_every_kind():
    assert {path.parent.name for path in NOTEBOOKS} == set(build.FOLDERS)
    assert {build.ROOT / "lessons" / path.name for path in EXERCISES} <= set(EXECUTED)


@pytest.mark.parametrize("path", EXECUTED, ids=by_name)
def test_a_notebook_was_executed_once_and_in_order_and_shows_what_it_should(path):
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert [cell.source for cell in cells if shows(cell.source) and not cell.outputs] == []
    assert any(cell.outputs for cell in cells)
    # Nothing that changes from run to run, or warns, or is too large.
    assert build.problems(read(path)) == []


def test_lesson_exercise_and_solution_lead_to_each_other_and_on():
    for path in NOTEBOOKS:
        ways = re.findall(r"\]\(\.\./(\S+)\.ipynb\)", read(path).cells[-1].source)
        own = {by_name(one) for one in NOTEBOOKS if one.name == path.name and one != path}
        lessons = [one for one in NOTEBOOKS if one.parent.name == "lessons"]
        at = [one.name for one in lessons].index(path.name)
        beside = {by_name(one) for one in lessons[max(at - 1, 0) : at + 2] if one.name != path.name}
        assert set(ways) == own | beside


@pytest.mark.parametrize("path", EXERCISES, ids=by_name)
def test_an_exercise_has_no_outputs(path):
    assert [cell.source for cell in code_cells(path) if cell.outputs or cell.execution_count] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_name)
def test_a_notebook_is_small_and_written_by_the_build(path):
    content = path.read_bytes()
    assert len(content) <= build.MAX_NOTEBOOK
    assert b"SOLUTION" not in content
    assert (nbformat.writes(read(path), version=4) + "\n").encode() == content


def shows(source):
    """Whether a cell surely has an output: it prints or draws, or ends in a value that is not a call."""
    tree = ast.parse(TransformerManager().transform_cell(source))
    if tree.body and isinstance(tree.body[-1], ast.Expr) and not source.rstrip().endswith(";"):
        value = tree.body[-1].value
        if isinstance(value, ast.Name | ast.Attribute | ast.Subscript | ast.BinOp | ast.JoinedStr):
            return True
    todo = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "display", "plt.show"):
            return True
        # what stands in a function, a class or a condition need not run
        if not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda | ast.If | ast.Try):
            todo += ast.iter_child_nodes(node)
    return False


# The build itself, on small texts.

LESSON = """# A title

```{code-cell}
import matplotlib.pyplot as plt
import numpy as np
_ = plt.hist(np.random.default_rng(0).normal(size=100))
plt.show()
print("drawn")
```

```{code-cell}
import ipywidgets


class Panel(ipywidgets.IntSlider):
    def _repr_mimebundle_(self, **keywords):
        return super()._repr_mimebundle_(**keywords) | {"text/plain": "a slider"}


Panel()
```
"""

SOLUTION = """# An exercise

```{code-cell}
def double(x):
    # BEGIN SOLUTION: Return the double.
    y = 2 * x
    return y
    # END SOLUTION
```

```{code-cell}
:tags: [solution-only]
print(double(2))
```

```{code-cell}
:tags: [exercise-only, keep]
double(2)
```
"""


@pytest.fixture
def course(tmp_path, monkeypatch):
    """An empty course; `course(kind, text)` writes a text of it."""
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "SOURCE", tmp_path / "source")

    def write(kind, text):
        path = tmp_path / "source" / kind / "99_try.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_building_twice_gives_the_same_bytes_and_no_drift(course, tmp_path):
    source = course("lessons", LESSON)
    build.build(source)
    target = tmp_path / "lessons" / "99_try.ipynb"
    first = target.read_bytes()
    build.build(source)
    assert target.read_bytes() == first
    assert build.drift() == []

    notebook = json.loads(first)
    assert "widgets" not in notebook["metadata"]
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    assert [sorted(output.get("data", output)) for output in outputs] == [
        ["image/png", "text/plain"],
        ["name", "output_type", "text"],
        ["text/plain"],
    ]


def test_a_picture_with_few_colours_becomes_smaller_and_looks_the_same():
    figure = Figure(figsize=(4, 2))
    axes = figure.subplots()
    axes.plot([0, 1, 0], color="#D55E00")
    axes.set_title("Reported")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    before = base64.b64encode(buffer.getvalue()).decode()
    after = build.smaller(before)
    assert len(after) < 0.7 * len(before)
    one, other = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"), int)
        for text in (before, after)
    )
    assert np.abs(one - other).max() <= 8
    assert build.smaller(after) == after


def test_drift_is_found_in_cells_and_in_both_directions(course, tmp_path):
    for path, notebook in build.unexecuted(course("solutions", SOLUTION)).items():
        path.parent.mkdir()
        nbformat.write(notebook, path)
    course("solutions", SOLUTION.replace("2 * x", "x + x"))
    assert build.drift() == ["solutions/99_try.ipynb: cell 1 differs from its source"]
    course("solutions", SOLUTION)
    (tmp_path / "exercises" / "99_try.ipynb").rename(tmp_path / "exercises" / "98_other.ipynb")
    assert build.drift() == ["exercises/99_try.ipynb is missing", "exercises/98_other.ipynb has no source"]


def test_an_exercise_is_its_solution_without_the_answers(course):
    solution, exercise = build.unexecuted(course("solutions", SOLUTION)).values()
    assert [cell.source for cell in solution.cells[1:]] == [
        "def double(x):\n    y = 2 * x\n    return y",
        "print(double(2))",
    ]
    assert [cell.source for cell in exercise.cells[1:]] == [
        "def double(x):\n    # Return the double.\n    ...",
        "double(2)",
    ]
    assert exercise.cells[-1].metadata == {"tags": ["keep"]}


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("lessons", "# BEGIN SOLUTION\n1\n# END SOLUTION", "out of place"),
        ("solutions", "# BEGIN SOLUTION\n1", "without `# END SOLUTION`"),
        ("solutions", "1\n# END SOLUTION", "out of place"),
        ("solutions", "print(1)", "nothing is marked"),
    ],
)
def test_marks_out_of_place_stop_the_build(course, kind, text, message):
    with pytest.raises(build.BuildError, match=message):
        build.unexecuted(course(kind, f"```{{code-cell}}\n{text}\n```\n"))


def test_what_may_not_be_committed_stops_the_build_and_names_the_cell(course, tmp_path):
    cells = {
        "a path": "from pathlib import Path\nprint(Path.cwd())",
        "an address": "object()",
        "a warning": "import warnings\nwarnings.warn('look out')",
        "a large picture": (
            "import matplotlib.pyplot as plt, numpy as np\n"
            "_ = plt.imshow(np.random.default_rng(0).random((400, 400)), interpolation='none')\nplt.show()"
        ),
    }
    text = "".join(f"```{{code-cell}}\n# {name}\n{code}\n```\n\n" for name, code in cells.items())
    with pytest.raises(build.BuildError) as stopped:
        build.build(course("lessons", text))
    lines = str(stopped.value)
    assert [f"cell {number} (# {name})" in lines for number, name in enumerate(cells)] == [True] * 4
    assert "an address in memory: 0x" in lines
    assert "look out" in lines
    assert "at most 60,000" in lines
    assert not (tmp_path / "lessons" / "99_try.ipynb").exists()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 1", False),
        ("x", True),
        ("print(x)", True),
        ("for i in range(3):\n    print(i)", True),
        ("def f():\n    print(1)", False),
        ("if x:\n    print(1)", False),
        ("f(x)", False),
        ("%matplotlib inline", False),
        ("scores['a'].mean", True),
    ],
)
def test_which_cells_surely_show_something(source, expected):
    assert shows(source) is expected
