"""The table of proof: its rows at reduced size, its verdicts and errors, its page; long runs through joblib and Dask."""

import re
from pathlib import Path

import joblib
import numpy as np
import proof
import pytest
import reference
from distributed import Client, LocalCluster, get_task_stream
from reference import ROWS, Found, Row, Run, reproduced

from utils import experiments

PAGE = Path(__file__).resolve().parent.parent / "REFERENCE.md"


@pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])
def test_row(row):
    obtained = row.compute(Run(row.reduced))
    verdicts = row.verdicts(obtained)
    wrong = [f"{name}: {row.expected.get(name)} expected, {obtained.get(name)} obtained"
             for name, came_out in verdicts.items() if not came_out]
    assert not wrong
    for name, (value, error) in obtained.items():
        assert np.isfinite(value) and np.isfinite(error)
        # Chance is not to excuse anything: at reduced size too, the errors are small.
        assert 3 * error < max(0.06, 3 * row.expected[name][1]), name


def test_the_rows_are_told_apart_and_say_where_they_come_from():
    ids = [row.id for row in ROWS]
    assert len(ids) == len(set(ids)) >= 40
    assert not set(ids) & set(reference.NOT_RECOMPUTED)
    for row in ROWS:
        assert row.source and row.setting and row.lessons and row.expected and row.full >= row.reduced
        assert not row.doi or re.fullmatch(r"10\.\d{4,}/\S+", row.doi)


def test_a_figure_is_reproduced_within_its_tolerance_or_three_standard_errors():
    assert reproduced(0.5, 0.02, 0.52, 0.0) and not reproduced(0.5, 0.02, 0.5201, 0.0)
    assert reproduced(0.5, 0.0, 0.53, 0.01) and not reproduced(0.5, 0.0, 0.5301, 0.01)
    assert reproduced(0.5, 0.02, 0.515, 0.001)
    assert not reproduced(0.5, 0.02, float("nan"), 0.001)


def test_the_standard_error_is_that_of_independent_blocks():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(4000)
    value, error = Found({"x": x}, 10).mean("x")
    assert value == pytest.approx(x.mean())
    assert error == pytest.approx(1 / np.sqrt(4000), rel=0.3)
    # Ten studies of a block that are all alike are one study.
    _, error = Found({"x": np.repeat(x[:400], 10)}, 10).mean("x")
    assert error == pytest.approx(1 / np.sqrt(400), rel=0.3)
    # Over 150 samples it is the spread of the statistic, for a quantile and a standard deviation too.
    for statistic in (np.mean, np.std, lambda a: np.quantile(a, 0.05)):
        found = np.array([Found({"x": rng.standard_normal(1000)}, 10)(lambda d, f=statistic: f(d["x"])) for _ in range(150)])
        assert np.sqrt(np.mean(found[:, 1] ** 2)) == pytest.approx(found[:, 0].std(), rel=0.25)


def fake(expected, rising=()):
    return Row("R99", "05", "A source", "10.1000/1", "A setting.", 10, 1, {"a": (expected, 0.01), "b": (2, 0.01)}, rising,
               lambda run: {"a": (1.0, 0.001), "b": (2.0, 0.0)})


@pytest.mark.parametrize(("row", "code", "said"), [
    (fake(1), 0, "All 1 rows reproduced"),
    (fake(1, (("a", "b"),)), 0, "All 1 rows reproduced"),
    (fake(1.1), 1, "Not reproduced: R99"),
    (fake(1, (("b", "a"),)), 1, "Not reproduced: R99"),
])
def test_what_is_not_reproduced_is_said_and_ends_with_1(row, code, said, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(reference, "ROWS", [row])
    assert proof.main(path=tmp_path / "page.md") == code
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert said in capsys.readouterr().out
    assert ("**not reproduced**" in page) == bool(code)
    assert f"**{1 - code} of 1 rows reproduced**" in page
    assert "[doi:10.1000/1](https://doi.org/10.1000/1)" in page


def test_some_rows_can_be_run_and_then_nothing_is_written(tmp_path, capsys):
    assert proof.main(["R06", "R41"], path=tmp_path / "page.md") == 0
    assert not (tmp_path / "page.md").exists()
    assert "All 2 rows reproduced" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="There is no row R98"):
        proof.main(["R98"])


def test_a_row_that_forgets_a_figure_is_an_error():
    with pytest.raises(KeyError, match="R99"):
        fake(1).verdicts({"a": (1.0, 0.0)})


def test_the_page_is_of_these_rows():
    """Made anew when a row, an expected figure, a tolerance or a setting changes."""
    text = PAGE.read_text(encoding="utf-8")
    blocks = dict(re.findall(r"^### (\S+): (.*?)(?=^##)", text, re.M | re.S))
    assert list(blocks) == [row.id for row in ROWS]
    good = 0
    for row in ROWS:
        block = blocks[row.id]
        assert row.source in block and row.setting in block
        shown = re.findall(r"^\| (.+?) \| (\S+) \| (.+?) \| (\S+) \| (\S+) \| (\S.*?) \|$", block, re.M)
        assert [line[0] for line in shown] == list(row.expected)
        for name, expected, tolerance, value, error, verdict in shown:
            wanted, within = row.expected[name]
            assert expected == proof.number(wanted)
            assert tolerance == ("exact" if within <= reference.NEVER_MIND else f"± {proof.number(within)}")
            if "not" not in verdict:  # the printed figures agree with the verdict, to their last digit
                assert abs(float(value) - wanted) <= max(within, 3.2 * float(error)) + 1e-4
        good += block.startswith("reproduced")
    assert f"**{good} of {len(ROWS)} rows reproduced**" in text
    assert all(id in text for id in reference.NOT_RECOMPUTED)


# Long runs


SETTINGS = {"repeats": 47, "seed": 3, "n_subjects": 20, "n_features": 30}


def assert_same(one, other):
    assert one.sentence == other.sentence and one.parameters == other.parameters and one.draws.keys() == other.draws.keys()
    for name, values in one.draws.items():
        np.testing.assert_array_equal(values, other.draws[name])


@pytest.mark.parametrize("n_jobs", [None, 1, 2])
def test_a_run_through_joblib_is_the_call(n_jobs):
    assert_same(experiments.repeated_scans.run(n_jobs=n_jobs, **SETTINGS), experiments.repeated_scans(**SETTINGS))


def test_a_simulation_of_the_table_goes_to_workers_too():
    settings = {"repeats": 300, "n": 30, "p": 5}
    assert_same(reference.least_squares_on_noise.run(n_jobs=2, **settings), reference.least_squares_on_noise(**settings))


@pytest.mark.parametrize("name", ["repeats", "seed", "n_typo"])
def test_a_run_names_an_impossible_parameter(name):
    with pytest.raises(experiments.ParameterError, match=name):
        experiments.repeated_scans.run(**{name: -1})


@pytest.mark.parametrize(("workers", "threads", "processes"), [(1, 2, False), (2, 1, True)])
def test_a_run_on_a_dask_cluster_is_the_call(workers, threads, processes):
    here = experiments.repeated_scans(**SETTINGS)
    cluster = LocalCluster(n_workers=workers, threads_per_worker=threads, processes=processes, dashboard_address=None)
    with cluster, Client(cluster) as client, joblib.parallel_config("dask"), get_task_stream(client) as done:
        assert_same(experiments.repeated_scans.run(**SETTINGS), here)
    assert done.data  # it was the cluster that did the work
