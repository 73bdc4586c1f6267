"""The benchmark's page is of the course as it stands, and its parts can be made anew one by one."""

import re

import benchmark
import plain
import pytest
from bench_panels import PANEL, back_and_forth, notebooks_with_panels, panel_cells


def column(part, number):
    """A column of the last table of a part of the page."""
    rows = re.findall(r"^\|.*\|$", part, re.MULTILINE)
    return [row.split("|")[number].strip() for row in rows[rows.index("|-|-|" + "-|" * (rows[-1].count("|") - 3)) + 1:]]


@pytest.fixture(scope="module")
def parts():
    return benchmark.parts_of(benchmark.PAGE.read_text(encoding="utf-8"))


def test_parts_of_the_page_have_their_date_and_versions(parts):
    # Not necessarily all: the part that runs all tests does so before it is written for the first time.
    assert list(parts) == [title for title, _ in benchmark.PARTS.values() if title in parts]
    for text in parts.values():
        assert re.match(r"\*Measured on \d{4}-\d\d-\d\d: \d+ cores?, .*numpy \d", text)


def test_the_page_holds_every_experiment_and_every_panel(parts):
    assert column(parts["Experiments against the plain loop"], 1) == list(plain.FAST)
    expected = [(f"{notebook.name[:2]}.{number}", PANEL.search(cell.source)[1])
                for notebook in notebooks_with_panels() for number, cell in enumerate(panel_cells(notebook), 1)]
    panels = parts["Panels in the browser"]
    assert list(zip(column(panels, 1), column(panels, 2), strict=True)) == expected


def test_keys_go_from_end_to_end_and_back():
    keys = back_and_forth(2, 3)
    assert [next(keys) for _ in range(6)] == ["ArrowRight"] + ["ArrowLeft"] * 3 + ["ArrowRight"] * 2


@pytest.mark.parametrize("power", [0.5, 1, 2])
def test_growth_is_fitted_as_a_power(power):
    sizes = [10, 20, 40, 80]
    assert benchmark.exponent(sizes, [3 * size**power for size in sizes]) == pytest.approx(power)


def test_parts_of_a_page_are_found_again():
    page = "# Title\n\n## One\n\ntext\n\n## Two\n\nmore\n\n| a |\n"
    assert benchmark.parts_of(page) == {"One": "text", "Two": "more\n\n| a |"}
