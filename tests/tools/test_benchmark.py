"""The benchmark: its comparison of both forms, and a page of the course as it stands, made in parts."""

import re

import benchmark
import numpy as np
import pytest
from bench_panels import back_and_forth, notebooks_with_panels, panel_names

from simulations.cross_validation_pitfalls import cross_validation_error


def column(part, number):
    """A column of the last table of a part of the page."""
    rows = re.findall(r"^\|.*\|$", part, re.MULTILINE)
    start = rows.index("|-|-|" + "-|" * (rows[-1].count("|") - 3)) + 1
    return [row.split("|")[number].strip() for row in rows[start:]]


@pytest.fixture(scope="module")
def parts():
    return benchmark.parts_of(benchmark.PAGE.read_text(encoding="utf-8"))


def test_parts_of_the_page_have_their_date_and_versions(parts):
    titles = list(benchmark.parts_of(benchmark.TEXT.read_text(encoding="utf-8")))
    assert titles == [title for title, _ in benchmark.PARTS.values()]
    # Not necessarily all: the part that runs all tests does so before it is written for the first time.
    assert list(parts) == [title for title in titles if title in parts]
    for text in parts.values():
        assert re.match(r"\*Measured on \d{4}-\d\d-\d\d: \d+ cores?, .*numpy \d", text)


def not_yet(text):
    """The simulations that a part of the page says it has not measured."""
    line = re.search(r"^\*Not measured yet: (.*)\.\*$", text, re.M)
    return set(line[1].split(", ")) if line else set()


def test_the_page_holds_every_simulation_and_every_panel_or_names_it(parts):
    plain, panels = parts["Simulations against the plain loop"], parts["Panels in the browser"]
    assert set(column(plain, 1)) | not_yet(plain) == set(benchmark.simulations())
    assert not set(column(plain, 1)) & not_yet(plain)
    expected = {name for notebook in notebooks_with_panels() for name in panel_names(notebook)}
    assert set(column(panels, 2)) | not_yet(panels) == expected
    assert not set(column(panels, 2)) & not_yet(panels)


def test_every_panel_is_of_a_simulation_and_those_that_grow_can():
    there = benchmark.simulations()
    assert {name for notebook in notebooks_with_panels() for name in panel_names(notebook)} <= set(there)
    for name, growing in benchmark.GROWING.items():
        for parameter, sizes in growing.items():
            for size in sizes:
                there[name].checked({parameter: size})


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


def test_both_forms_are_timed_and_compared():
    row = benchmark.compare(cross_validation_error, seconds=0.01, n_scans=20)
    assert row["difference"] < 1e-6 and row["studies"] >= 4 and row["block"] == 10
    assert row["ratio"] == pytest.approx(row["batched_per_second"] / row["plain_per_second"])


@pytest.mark.parametrize(
    ("spoilt", "error"),
    [
        ({"reported": 0.7, "claimed": 0.1}, "'claimed' is in one form only"),
        ({"reported": [0.7], "true": 0.5}, r"'reported' has shapes \(1,\) and \(1, 1\)"),
    ],
)
def test_draws_that_cannot_be_compared_are_named(spoilt, error):
    block = {"reported": np.array([0.7, 0.6]), "true": np.array([0.5, 0.5])}
    assert benchmark.differences(block, [{"reported": 0.7, "true": 0.3}]) == pytest.approx(0.2)
    assert np.isnan(benchmark.differences(block, [{"reported": np.nan, "true": 0.5}]))
    with pytest.raises(ValueError, match=error):
        benchmark.differences(block, [spoilt])
