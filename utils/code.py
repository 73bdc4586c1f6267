"""The code of one study: what a panel simulates, as a text that runs by itself in an empty cell."""

import ast
import builtins
import functools
import inspect
import sys
import textwrap
from types import ModuleType

from utils.simulation import Simulation

_END = """\
studies = recruit(p, np.random.default_rng([{seed}, 0]), {block})  # the panel's first {block} studies …
for name, value in one(p, studies.one(0)).items():  # … and the first of them
    print(name, np.round(value, 3))"""


def code_of_one_study(run: Simulation, given: dict, seed: int = 0) -> str:
    """The source of `recruit` and `one` of a simulation, with all they need and the parameters' values in it.

    Parameters
    ----------
    run : utils.simulation.Simulation
    given : dict
        Parameters that are not at their defaults.
    seed : int

    Returns
    -------
    str
        Run in an empty cell, it prints the draws of the first study of the panel at these settings.
    """
    p = run.checked(given)
    imports, sources = _needed(run)
    values = "\n".join(f"    {name}={getattr(p, name)!r}," for name in run.kinds)
    end = _END.format(seed=seed, block=run.block)
    return "\n\n".join([imports, f"p = SimpleNamespace(\n{values}\n)", *sources, end])


@functools.cache
def _needed(run: Simulation) -> tuple[str, list[str]]:
    """The imports and the sources of all that `recruit` and `one` use: the same at every setting."""
    imports, sources = {"import numpy as np", "from types import SimpleNamespace"}, {}
    for function in (run.description.recruit, run.description.one):
        _collect(function, sys.modules[run.__module__], imports, sources)
    listed = sorted(imports, key=lambda line: (line.startswith("from"), line))
    return "\n".join(listed), list(sources.values())


def _collect(thing, module: ModuleType, imports: set[str], sources: dict[str, str]) -> None:
    """Add the source of a function or class to `sources`, after that of the module's own names it uses."""
    source = textwrap.dedent(inspect.getsource(thing))
    for name in _free_names(source):
        if not hasattr(module, name) or hasattr(builtins, name) or name in sources:
            continue
        value = getattr(module, name)
        home = getattr(value, "__module__", None)
        if isinstance(value, ModuleType):
            imports.add(_import_of_module(value, name))
        elif home == module.__name__ and callable(value) and hasattr(value, "__name__"):
            _collect(value, module, imports, sources)
        else:
            imports.add(f"from {_home(name, module)} import {name}")
    sources[thing.__name__] = source.rstrip()


def _free_names(source: str) -> list[str]:
    """Names that a piece of code reads, in the order in which they stand there."""
    tree = ast.parse(source)
    return [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]


def _import_of_module(value: ModuleType, name: str) -> str:
    package, _, last = value.__name__.rpartition(".")
    if package and last == name:
        return f"from {package} import {name}"
    return f"import {value.__name__}" + (f" as {name}" if name != value.__name__ else "")


def _home(name: str, module: ModuleType) -> str:
    """The public module to import a name from: where the simulation's own file imports it from."""
    return _homes(module).get(name, module.__name__)


@functools.cache
def _homes(module: ModuleType) -> dict[str, str]:
    """The modules that a file imports names from, by name."""
    lines = [line for line in ast.parse(inspect.getsource(module)).body if isinstance(line, ast.ImportFrom)]
    return {alias.name: line.module for line in reversed(lines) for alias in line.names}
