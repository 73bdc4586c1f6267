"""The house: who may import whom, how large a room may be, and how wide a line."""

import ast
import functools
import io
import re
import subprocess
import sys
import tokenize

import pytest
from harness import ROOT, WINGS

# What of the course a wing may import beside itself. Arrows go down this list and never back.
IMPORTS = {
    "utils": (),
    "simulations": ("utils", "review"),  # lesson 09 simulates the flawed study of the review game
    "checks": ("utils", "simulations"),
    "review": ("utils",),
    "audit": ("utils.drawing", "utils.colours"),  # of the course nothing but the colours
}
# Lines as formatted. The aims were 3,300, 4,200 and 11,000, and 12,000 for five wings: ten lessons in place
# of eight, browser drawing, the kit for teachers and what audit and checks find have grown beyond them.
SIZES = {"utils": 3_400, "tools": 6_300, "tests": 17_400}
FIVE_WINGS = 17_950
LARGEST_FILE = 700
LONGEST_FUNCTION = 60  # lines of code: without docstring, comments and blank lines


@functools.cache
def files(*folders):
    """The Python files in some folders of the course, by their paths in it, with their text."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def module(path):
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@functools.cache
def imports():
    """The modules of the wings, and of each the modules of the wings that it imports, anywhere in it."""
    known = {module(path): text for path, text in files(*WINGS).items()}
    graph = {name: set() for name in known}
    for name, text in known.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                wanted = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{name}: an import names its whole path"
                # A name may be a module of the package, or something in it.
                inner = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
                wanted = [path if path in known else node.module for path in inner.values()]
            else:
                continue
            graph[name] |= {one for one in wanted if one.split(".")[0] in WINGS}
    return graph


@pytest.mark.parametrize("wing", WINGS)
def test_imports_go_one_way(wing):
    allowed = (wing, *IMPORTS[wing])
    wrong = [
        f"{name} imports {other}"
        for name, others in imports().items()
        for other in others
        if name.split(".")[0] == wing and not any(f"{other}.".startswith(f"{one}.") for one in allowed)
    ]
    assert wrong == []


def test_imports_go_in_no_circle():
    def visit(name, path):
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name not in done:
            for other in imports().get(name, ()):
                visit(other, [*path, name])
            done.add(name)

    done = set()
    for name in imports():
        visit(name, [])
    assert len(done) > 20


def test_a_circle_would_be_found(monkeypatch):
    monkeypatch.setitem(globals(), "imports", lambda: {"a": {"b"}, "b": {"c"}, "c": {"b"}})
    with pytest.raises(AssertionError, match="b -> c -> b"):
        test_imports_go_in_no_circle()


@pytest.mark.parametrize("wing", SIZES)
def test_a_wing_is_small(wing):
    assert sum(text.count("\n") for text in files(wing).values()) <= SIZES[wing]


def test_five_wings_are_small():
    assert sum(text.count("\n") for text in files(*WINGS).values()) <= FIVE_WINGS


def test_the_map_names_the_rooms_that_there_are():
    """CONTRIBUTING.md: the modules of utils; in wings with a file per lesson, the others."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    lessons = {path.stem[3:] for path in (ROOT / "lessons").glob("*.ipynb")}
    for wing in ("utils", "simulations", "checks"):
        said = re.search(rf"^\| `{wing}/` \| (.*?) \|", page, re.MULTILINE)[1]
        there = {path.stem for path in (ROOT / wing).glob("*.py")} - lessons - {"__init__"}
        assert set(re.findall(r"`(\w+)`", said)) == there, wing


@functools.cache
def lines_of_code(text):
    """The numbers of the lines that hold code."""
    empty = {
        getattr(tokenize, name) for name in ("COMMENT", "NL", "NEWLINE", "INDENT", "DEDENT", "ENDMARKER")
    }
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    lines = {
        line
        for token in tokens
        if token.type not in empty
        for line in range(token.start[0], token.end[0] + 1)
    }
    for node in ast.walk(ast.parse(text)):
        documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return lines


def test_no_file_is_large_and_no_function_long():
    large, long = [], []
    for path, text in files(*WINGS, "tools", "tests").items():
        if (count := text.count("\n")) > LARGEST_FILE:
            large.append(f"{path}: {count} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = set(range(node.lineno, node.end_lineno + 1))
                # To tell lines of code from others takes time, and few functions have so many lines at all.
                count = len(lines & lines_of_code(text)) if len(lines) > LONGEST_FUNCTION else 0
                if count > LONGEST_FUNCTION:
                    long.append(f"{path}: {node.name} has {count} lines")
    assert (large, long) == ([], [])


def test_what_counts_as_a_line_of_code():
    text = 'def f(x):\n    """One.\n\n    Two."""\n    # why\n\n    y = """a\n    b"""\n    return y  # so\n'
    assert lines_of_code(text) == {1, 7, 8, 9}


def test_every_file_is_formatted_and_no_line_is_wide():
    folders = [folder for folder in (*WINGS, "tools", "tests") if (ROOT / folder).is_dir()]
    for command in (["check", "--select", "E501", "--output-format", "concise"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--line-length", "110", *folders],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
