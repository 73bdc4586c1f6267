"""The table of proof: every row of tools/reference with few studies, and the page itself."""

import re

import joblib
import numpy as np
import proof
import pytest
import reference
from distributed import Client, LocalCluster, get_task_stream
from harness import ROOT
from reference import ROWS, Figure, Row, Run, jackknife, reproduced
from reference.overfitting import least_squares_on_noise
from reference.rows import TEXTS, studies

from simulations.cross_validation_pitfalls import repeated_scans
from utils.simulation import ParameterError

PAGE = ROOT / "REFERENCE.md"


@pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])
def test_row(row):
    obtained = row.compute(Run(row.reduced))
    verdicts = row.verdicts(obtained)
    wrong = [name for name, came_out in verdicts.items() if not came_out]
    assert not wrong, [f"{name}: {row.figures.get(name)}, obtained {obtained.get(name)}" for name in wrong]
    for name, (value, error) in obtained.items():
        assert np.isfinite(value) and np.isfinite(error)
        # Chance is not to excuse anything: at reduced size too, the errors are small.
        assert 3 * error < max(0.06, 3 * row.figures[name].tolerance), name


def test_the_rows_are_told_apart_and_say_where_they_come_from():
    ids = [row.id for row in ROWS]
    assert ids == list(TEXTS) and len(ids) >= 40  # in the order of the page; no words without figures
    assert not set(ids) & set(reference.NOT_RECOMPUTED)
    for row in ROWS:
        assert row.source and row.setting and row.lessons and row.figures and row.full >= row.reduced
        assert not row.doi or re.fullmatch(r"10\.\d{4,}/\S+", row.doi)


def test_a_figure_is_reproduced_within_its_tolerance_or_three_standard_errors():
    assert reproduced(0.5, 0.02, 0.52, 0.0) and not reproduced(0.5, 0.02, 0.5201, 0.0)
    assert reproduced(0.5, 0.0, 0.53, 0.01) and not reproduced(0.5, 0.0, 0.5301, 0.01)
    assert reproduced(0.5, 0.02, 0.515, 0.001)
    assert not reproduced(0.5, 0.02, float("nan"), 0.001)


def test_the_standard_error_is_that_of_independent_blocks():
    def mean(draws):
        return draws["x"].mean()

    rng = np.random.default_rng(0)
    x = rng.standard_normal(4000)
    value, error = jackknife({"x": x}, 10, mean)
    assert value == pytest.approx(x.mean())
    assert error == pytest.approx(1 / np.sqrt(4000), rel=0.3)
    # Ten studies of a block that are all alike are one study.
    _, error = jackknife({"x": np.repeat(x[:400], 10)}, 10, mean)
    assert error == pytest.approx(1 / np.sqrt(400), rel=0.3)
    # Over 150 samples it is the spread of the statistic, for a quantile and a standard deviation too.
    for statistic in (np.mean, np.std, lambda a: np.quantile(a, 0.05)):
        samples = ({"x": rng.standard_normal(1000)} for _ in range(150))
        found = np.array([jackknife(one, 10, lambda d, f=statistic: f(d["x"])) for one in samples])
        assert np.sqrt(np.mean(found[:, 1] ** 2)) == pytest.approx(found[:, 0].std(), rel=0.25)


def test_studies_of_a_row_are_simulated_once_and_as_many_as_it_asks_for():
    run, found = Run(1000), studies(least_squares_on_noise, 1 / 4, p=5, smaller={"n": 30})
    assert run(3) == (3.0, 0.0)
    training, _ = run(found.mean("training"))
    draws = run.draws(found)
    assert run.draws(found) is draws and len(draws["training"]) == 300  # whole blocks of 100
    assert training == draws["training"].mean() == pytest.approx(1 - 5 / 30, abs=0.02)
    at_full_size, _ = Run(1000, full=True)(found.mean("training"))
    assert at_full_size == pytest.approx(1 - 5 / 60, abs=0.02)


def fake(expected, rising=()):
    figures = {"a": Figure(expected, 0.01, 1.0), "b": Figure(2, 0.01, 2.0)}
    return Row("R99", "05", "A source", "A setting.", lambda: figures, "10.1000/1", 10, 1, rising)


@pytest.mark.parametrize(
    ("row", "code", "said"),
    [
        (fake(1), 0, "All 1 rows reproduced"),
        (fake(1, ["a < b"]), 0, "All 1 rows reproduced"),
        (fake(1.1), 1, "Not reproduced: R99"),
        (fake(1, ["b < a"]), 1, "Not reproduced: R99"),
    ],
)
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
        assert [line[0] for line in shown] == list(row.figures)
        for name, expected, tolerance, value, error, verdict in shown:
            wanted, within, _ = row.figures[name]
            assert (expected, tolerance) == (proof.number(wanted), proof.within(within))
            if "not" not in verdict:  # the printed figures agree with the verdict, to their last digit
                assert abs(float(value) - wanted) <= max(within, 3.2 * float(error)) + 1e-4
        good += block.startswith("reproduced")
    assert f"**{good} of {len(ROWS)} rows reproduced**" in text
    assert all(id in text for id in reference.NOT_RECOMPUTED)


# Long runs

SETTINGS = {"repeats": 47, "seed": 3, "n_subjects": 20, "n_features": 30}


def assert_same(one, other):
    assert one.sentence == other.sentence and one.parameters == other.parameters
    assert one.draws.keys() == other.draws.keys()
    for name, values in one.draws.items():
        np.testing.assert_array_equal(values, other.draws[name])


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_run_through_joblib_is_the_call(n_jobs):
    assert_same(repeated_scans(n_jobs=n_jobs, **SETTINGS), repeated_scans(**SETTINGS))


def test_a_simulation_of_the_table_goes_to_workers_too():
    settings = {"repeats": 300, "n": 30, "p": 5}
    assert_same(least_squares_on_noise(n_jobs=2, **settings), least_squares_on_noise(**settings))


@pytest.mark.parametrize("name", ["repeats", "seed", "n_typo"])
def test_a_run_on_many_cores_names_an_impossible_parameter(name):
    with pytest.raises(ParameterError, match=name):
        repeated_scans(n_jobs=2, **{name: -1})


@pytest.mark.parametrize(("workers", "threads", "processes"), [(1, 2, False), (2, 1, True)])
def test_a_run_on_a_dask_cluster_is_the_call(workers, threads, processes):
    here = repeated_scans(**SETTINGS)
    cluster = LocalCluster(
        n_workers=workers, threads_per_worker=threads, processes=processes, dashboard_address=None
    )
    with cluster, Client(cluster) as client:
        with joblib.parallel_config("dask"), get_task_stream(client) as done:
            assert_same(repeated_scans(n_jobs=None, **SETTINGS), here)
    assert done.data  # it was the cluster that did the work
