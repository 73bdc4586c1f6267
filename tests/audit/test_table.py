"""What is refused, what is converted, and what is asked about: the columns of a table and their roles."""

import re

import numpy as np
import pandas as pd
import pytest
from audit_rates import ROLES, cohort
from harness import repetitions

from audit import AuditError, audit, read_table
from audit.ids import persons
from utils.data import load

# What is refused, and how

TABLE = cohort(0)


@pytest.mark.parametrize(
    ("change", "roles", "sentence"),
    [
        (None, {"label": "diagnosys"}, r"There is no column 'diagnosys'. Did you mean 'diagnosis'\?"),
        (None, {"label": None}, "label is NoneType, but it must be the name of one column"),
        (None, {"label": ["diagnosis"]}, "label is list, but it must be the name of one column"),
        (None, {"seed": -1}, "seed is -1, but it must be a whole number from 0 on"),
        ({"diagnosis": 1}, {}, "is 1 in every row"),
        ({"diagnosis": np.nan}, {}, "missing in every row"),
        ({"diagnosis": [1e300, *np.linspace(0, 1, 199)]}, {}, "has values beyond 1e100"),
        ({"person": "sub-01"}, {}, "There is one subject"),
        ({"person": [f"s{i // 40}" for i in range(200)]}, {}, "There are 5 subjects"),
        ({"person": [None, *range(199)]}, {}, "1 rows have no subject"),
        ({"diagnosis": [1, 1, *[0] * 198]}, {}, "Five folds need at least 5 subjects of each class: '1'"),
        ({"diagnosis": [f"c{i}" for i in range(200)]}, {}, "has 200 classes.*Is it an id"),
        (
            {"feature_0": np.nan, "feature_1": 3.0},
            {"features": ["feature_0", "feature_1"]},
            "No feature is left",
        ),
        (None, {"positive": 7}, "positive=7 is no class"),
        (None, {"task": "regression", "label": "sex", "demographics": "age"}, "holds text"),
        (None, {"only": ["dublicates"]}, "There is no check 'dublicates'"),
        ({"diagnosis": [np.inf, *np.linspace(0, 1, 199)]}, {}, "has infinite values"),
    ],
)
def test_bad_input_gets_a_clear_sentence(change, roles, sentence):
    table = TABLE.assign(**(change or {}))
    with pytest.raises(AuditError, match=sentence):
        audit(table, **{**ROLES, **roles})


@pytest.mark.parametrize(
    ("change", "roles", "name", "sentence"),
    [
        (None, {"features": ["feature_0", "nose"]}, "columns", "There is no column 'nose'"),
        (
            None,
            {"features": ["feature_0", "diagnosis"]},
            "columns",
            "'diagnosis' is the label and a feature. It was taken out",
        ),
        (None, {"features": ["feature_0", "person"]}, "columns", "'person' is the subject and a feature"),
        (None, {"site": "diagnosis"}, "site and label", "column 'diagnosis' is named as label and as site"),
        (None, {"site": "scaner"}, "site in the features", "no column 'scaner'. Did you mean 'scanner'"),
        (None, {"site": "age"}, "site and label", "That is no site. Is it an id"),
        (
            {"reader_2": "maybe"},
            {},
            "agreement of raters",
            "a value that is no class of the label (0, 1). Code both alike",
        ),
        (None, {"session": "dat"}, "date and label", "There is no column 'dat'. Did you mean 'date'"),
        (
            {"age": [f"about {i}" for i in range(200)]},
            {},
            "demographics and label",
            "'age' is text with 200 different values",
        ),
        (None, {"split": ["fold"]}, None, "split is list, but it must be the name of one column"),
    ],
)
def test_one_bad_argument_does_not_stop_the_rest(change, roles, name, sentence):
    table = TABLE.assign(**(change or {}))
    if name is None:
        with pytest.raises(AuditError, match=sentence):
            audit(table, **{**ROLES, **roles})
        return
    report = audit(table, **{**ROLES, **roles}, only=[name, "subjects", "duplicates"])
    assert report[name].level == "open" and sentence in report[name].evidence
    assert report["subjects"].level == "fine" and report["duplicates"].level == "fine"


def test_tables_that_are_no_tables():
    with pytest.raises(AuditError, match="not list"):
        audit([1, 2], label="y")
    with pytest.raises(AuditError, match="Two columns have the name 'feature_0'"):
        audit(pd.concat([TABLE, TABLE[["feature_0"]]], axis=1), **ROLES)


def test_odd_but_possible_columns_are_handled():
    table = TABLE.assign(
        flag=TABLE["diagnosis"] > 0,
        whole=TABLE["diagnosis"].astype("Int64"),
        empty=np.nan,
        same=3,
        text="x",
        feature_1=TABLE["feature_1"].astype(str),
        number=np.arange(200),
    )
    table.loc[0, ["whole", "feature_2"]] = [pd.NA, np.inf]
    table.loc[5, "diagnosis"] = np.nan
    features = ["flag", "whole", "empty", "same", "feature_1", "feature_2", "number"]
    report = audit(
        table, **ROLES, features=features, only=["columns", "target leakage", "better than chance"]
    )
    text = report["columns"].evidence
    for words in (
        "4 features are used",
        "number (counts the rows, like an index)",
        "1 infinite value (or beyond 1e100)",
        "empty (is missing everywhere)",
        "same (is always the same)",
        "1 row without a label",
    ):
        assert words in text
    assert report["columns"].level == "warn" and "flag" in report["target leakage"].evidence


def test_infinite_values_in_a_table_of_one_kind_of_number_are_taken_as_missing():
    # All columns of one type lie in one block of pandas, which must not be written to.
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.standard_normal((60, 3)), columns=list("abc")).assign(y=np.arange(60.0) % 2)
    table.loc[3, "a"] = np.inf
    report = audit(table, label="y", features=["a", "b", "c"], only=["columns"])
    assert "1 infinite value (or beyond 1e100) in “a” were taken as missing" in report[
        "columns"
    ].evidence and np.isinf(table.loc[3, "a"])


def test_labels_without_an_order_and_a_task_that_does_not_exist():
    with pytest.raises(AuditError, match="holds values that have no order among them"):
        audit(TABLE.assign(diagnosis=np.resize([1 + 1j, 2j], len(TABLE))), label="diagnosis")
    with pytest.raises(AuditError, match="holds lists or the like"):
        audit(TABLE.assign(diagnosis=[[1]] * len(TABLE)), label="diagnosis")
    with pytest.raises(AuditError, match="task is 'guess', but it must be"):
        audit(TABLE, label="diagnosis", task="guess")
    with pytest.raises(AuditError, match="There is no column ''"):
        audit(TABLE, label="")
    with pytest.raises(AuditError, match="Every column needs one name"):
        audit(TABLE.rename(columns={"age": None}), label="diagnosis")


@pytest.mark.parametrize("code", [-9, -99, 999])
def test_codes_for_missing_values_are_named(code):
    table = TABLE.copy()
    table.loc[[3, 8], "feature_4"] = code
    finding = audit(table, **ROLES, only=["columns"])["columns"]
    assert (
        finding.level == "warn"
        and f"{code} may stand for a missing value in feature_4 (2 cells" in finding.evidence
    )


def test_numbers_that_only_look_like_codes_are_left_alone():
    rng = np.random.default_rng(0)
    table = TABLE.assign(
        change=rng.integers(-15, 16, len(TABLE)),
        percent=rng.integers(0, 100, len(TABLE)),
        age=np.r_[99, 99, rng.normal(75, 9, len(TABLE) - 2).round()],
        flag=rng.integers(0, 2, len(TABLE)),
        volume=rng.normal(1000, 40, len(TABLE)).round(),
        once=np.r_[-9, rng.random(len(TABLE) - 1)],
    )
    finding = audit(table, **ROLES, only=["columns"])["columns"]
    assert finding.level == "fine" and "may stand" not in finding.evidence


def test_a_code_in_a_label_of_numbers_is_named():
    table = TABLE.assign(
        diagnosis=np.r_[-9, -9, np.random.default_rng(0).normal(30, 9, len(TABLE) - 2).clip(0)]
    )
    assert (
        "-9 may stand for a missing value in diagnosis"
        in audit(table, **ROLES, only=["columns"])["columns"].evidence
    )


def test_numbers_with_a_few_words_among_them_are_not_dropped_silently():
    table = TABLE.assign(feature_3=TABLE["feature_3"].round(2).astype(object), comment="good")
    table.loc[[0, 5], "feature_3"] = "unknown"
    finding = audit(table, **ROLES, only=["columns"])["columns"]
    assert (
        finding.level == "warn"
        and "“feature_3” holds numbers, but was left out because of text in 2 rows (0, 5, counted from 0)"
        in finding.evidence
    )
    assert "unknown" not in finding.evidence and "good" not in finding.evidence


def test_a_number_of_the_visit_is_no_date():
    table = pd.concat([TABLE.assign(visit=1), TABLE.assign(visit=2)])
    finding = audit(table, **{**ROLES, "session": "visit"}, only=["date and label"])["date and label"]
    assert finding.level == "open" and "name a column with the date" in finding.evidence


def test_an_interval_too_wide_for_calibration_is_no_good_mark():
    rng = np.random.default_rng(3)
    y = np.arange(40) % 2
    table = pd.DataFrame({"y": y, "a": y + 1.2 * rng.standard_normal(40), "b": rng.standard_normal(40)})
    finding = audit(table, label="y", only=["calibration"])["calibration"]
    assert finding.level == "open" and "95 % interval" in finding.evidence


def test_a_folder_and_an_empty_table_are_told(tmp_path):
    with pytest.raises(AuditError, match=r"is a folder.*read_bids"):
        read_table(tmp_path)
    with pytest.raises(AuditError, match="no rows"):
        audit(TABLE.head(0), **ROLES)


@pytest.mark.parametrize(
    "form",
    """PD_2021-03-04_{0:03d}_V{1} sub-{0:03d}_ses-{2} {0:03d}_{2} eye{0:03d}-{3} {3}h.S{0:03d} V{1}_P{0:03d}
    data/raw/sub-{0:03d}/ses-{1}/anat/sub-{0:03d}_ses-{1}_T1w.nii.gz C:\\scans\\P{0:03d}\\scan{1}.dcm
    img{0:03d}_flip{1}.jpg {0:03d}_2021-0{1}-11 P{0:03d}_m0{1}.long.P{0:03d}_base C{0:03d}{4} PPMI-{0}-V0{1}
    {0:03d}.{1} K{0:03d}{5} patient{0:03d}_slice{1:03d} T{1}_K{0:03d}""".split(),
)
def test_whatever_an_id_calls_a_visit_a_slice_or_a_side_is_taken_off(form):
    words = list(zip([1, 2], ["baseline", "month12"], "lr", ["", "b"], ["pre", "post"], strict=True))
    ids = pd.Series([form.format(i + 100, *words[k]) for i in range(60) for k in (0, 1)])
    person, sentence = persons(ids, np.arange(120) // 2 % 2)
    assert (pd.factorize(person)[0] == np.arange(120) // 2).all()
    assert "120 ids, but only 60 without it" in sentence


@pytest.mark.parametrize(
    "form",
    "site{1}_{0:04d} {0:03d}_S_{0} H{1}-{0:03d} IXI{0:03d}-Guys-{0} sub-{0:03d}_T1w.nii.gz".split(),
)
def test_ids_with_a_site_or_what_all_share_are_left_alone(form):
    ids = pd.Series([form.format(i, i % 4) for i in range(120)])
    person, sentence = persons(ids, np.arange(120) % 2)
    assert person.nunique() == 120 and not sentence


@pytest.mark.parametrize(
    ("label", "classes"),
    [
        (["PD", "pd ", "HC", "HC"], ["HC", "PD"]),
        (pd.Categorical(["PD", "unknown", "HC", "HC"]), ["HC", "PD"]),
        (["PD", "-9", "HC", "tbd"], ["HC", "PD"]),
        ([0, 1, -4, 0], ["-4", "0", "1"]),
        ([0, 1, 8, 0], ["0", "1", "8"]),
    ],
)
def test_what_is_no_class_like_the_others_is_left_out_or_asked_about(label, classes):
    report = audit(TABLE.assign(diagnosis=list(label) * 50), **ROLES, only=["label"])
    assert report["label"].level == "warn" and all(f"{one} " in report.notes[0] for one in classes)
    assert f"{len(classes)} classes" in report.notes[0]


def test_a_class_of_three_is_left_out_and_the_rest_goes_on():
    report = audit(TABLE.assign(diagnosis=[2, 2, 2, *[0, 1] * 98, 0]), **ROLES, only=["label"])
    assert report["label"].level == "warn" and "2 classes (0 99, 1 98) in 197 rows" in report.notes[0]
    assert "'2' (3 subjects)" in report.notes[0]


def test_ids_that_only_look_as_if_they_held_a_visit_are_left_alone():
    n = len(TABLE)
    daily = [
        f"PD_2021-{1 + i // 28:02d}-{1 + i % 28:02d}_{1 + i % 3:02d}" for i in range(n)
    ]  # a running number for each day
    centre = [f"{'ABC'[i % 3]}_T{i // 3:02d}" for i in range(n)]
    for ids in (daily, centre):
        report = audit(TABLE.assign(person=ids), **ROLES | {"subject": "person"}, only=["subjects"])
        assert report["subjects"].evidence == "200 subjects, one row each."
    twice = pd.concat(
        [
            TABLE.assign(visit=k, person=[f"PD_2021-03-{1 + i % 4:02d}_{i // 4:02d}" for i in range(n)])
            for k in (1, 2)
        ]
    )
    evidence = audit(twice, **ROLES | {"subject": "person", "session": "visit"}, only=["subjects"])[
        "subjects"
    ].evidence
    assert "400 rows, but 200 subjects" in evidence


def test_ids_with_dates_are_merged_and_said():
    table = cohort(0, "ids contain dates")
    report = audit(table, **ROLES, only=["subjects", "sample size"])
    assert "230 ids, but only 200 without it" in report["subjects"].evidence
    table["person"] = [f"sub-{i // 2:03d}_ses-{i % 2}" for i in range(len(table))]
    assert "115 without it" in audit(table, **ROLES, only=["subjects"])["subjects"].evidence
    table["person"] = [f"2021-03-{1 + i % 28:02d}" for i in range(len(table))]
    # Dates only: nothing to strip.
    assert audit(table, **ROLES, only=["subjects"])["subjects"].level == "stop"


def test_without_a_subject_column_it_says_that_it_does_not_know():
    finding = audit(TABLE, label="diagnosis", only=["subjects"])["subjects"]
    assert finding.level == "open" and "every score below is too good" in finding.evidence


# Whose row is it?


def repeated(tail, n=40, visits=3, p=12, seed=0, noise=0.4):
    """People with several rows that resemble each other, and a label that means nothing."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(n), visits)
    X = rng.standard_normal((n, p))[who] + noise * rng.standard_normal((n * visits, p))
    table = pd.DataFrame(X, columns=[f"v{j}" for j in range(p)])
    return table.assign(
        dx=rng.permutation(np.arange(n) % 2)[who],
        id=[tail(w, k) for w, k in zip(who, np.tile(np.arange(visits), n), strict=True)],
    )


COARSE = {
    "zeros": lambda X: np.maximum(X + 0.2, 0),
    "items": lambda X: np.clip(np.round(1.2 * X + 2), 0, 4),
    "counts": lambda X: np.round(np.exp(X)),
}


@pytest.mark.parametrize("kind", COARSE)
def test_repeats_are_seen_among_features_of_few_values_and_many_zeros(kind):
    """A fifth of the people twice, under new ids; and nobody, where rows of zeros agree by chance."""
    for seed in range(repetitions(2, 10)):
        rng = np.random.default_rng(seed)
        X = np.sqrt(0.7) * rng.standard_normal((150, 25)) + np.sqrt(0.3) * rng.standard_normal((150, 1))
        twice = np.vstack([X, X[:30] + 0.15 * rng.standard_normal((30, 25))])
        for values, level in ((twice, "stop"), (np.vstack([X, rng.standard_normal((30, 25))]), "fine")):
            table = pd.DataFrame(COARSE[kind](values)).add_prefix("v").assign(dx=rng.permutation(180) % 2)
            found = audit(table.sample(frac=1, random_state=seed), label="dx", only=["duplicates"], seed=seed)
            assert found["duplicates"].level == level, found


@pytest.mark.parametrize("seed", repetitions([4, 11], range(30)))
def test_a_row_with_fewer_zeros_than_most_is_no_copy(seed):
    """It has more dimensions, so that its gaps are longer; in two of the first twelve tables that alarmed."""
    rng = np.random.default_rng(7000 + seed)
    rng.standard_normal((200, 9))
    X = np.maximum(rng.standard_normal((200, 20)) + rng.standard_normal((200, 1)), 0)
    table = pd.DataFrame(X).add_prefix("v").assign(dx=rng.permutation(200) % 2)
    assert audit(table, label="dx", only=["duplicates"])["duplicates"].level == "fine"


def test_matched_controls_are_no_people_that_were_seen_twice():
    rng = np.random.default_rng(0)
    X = np.repeat(rng.standard_normal((60, 12)), 2, axis=0) + 0.2 * rng.standard_normal((120, 12))
    report = audit(
        pd.DataFrame(X).add_prefix("v").assign(dx=np.arange(120) % 2), label="dx", only=["duplicates"]
    )
    assert report["duplicates"].level == "warn" and "as matched controls do" in report["duplicates"].evidence


TAILS = {
    "slice": lambda w, k: f"patient{w:03d}_slice{k:03d}",
    "augmented": lambda w, k: f"IMG-{w:04d}-aug{k}.png",
    "long session": lambda w, k: f"sub-{w:02d}_ses-{('baseline', 'followup', 'month24')[k]}",
    "month": lambda w, k: f"sub-{w:02d}_ses-month{12 * k}",
    "bare tail": lambda w, k: f"P{w:03d}-{k + 1}",
    "side": lambda w, k: f"{w:03d}_{'LRM'[k]}",
    "eye": lambda w, k: f"A{w}_{('OD', 'OS', 'OU')[k]}",
    "rep": lambda w, k: f"S{w:02d}rep{k}",
    "time point": lambda w, k: f"x{w:02d}_tp{k}",
    "letter": lambda w, k: f"{w + 100}{'bfm'[k]}",
    "date": lambda w, k: f"{w:03d}_2021{k + 1:02d}15",
    "spelling": lambda w, k: (f"sub-{w:03d}", f"SUB-{w:03d}", f"{w}")[k],
    "run in session": lambda w, k: f"sub-{w:02d}_ses-1_run-{k}",
    "first bare": lambda w, k: f"C{w:03d}" + ("", "_2", "_3")[k],
    "days since entry": lambda w, k: f"OAS{w + 3000}_MR_d{1000 * k + 7 * w:04d}",
    "date and time": lambda w, k: f"{w:03d}_202101{15 + k}_09{w:02d}3{k}",
    "side in a session": lambda w, k: f"R{w:03d}_S{k % 2 + 1}_{'LR'[k // 2]}",
    "tile at two numbers": lambda w, k: f"case_{w:03d}_tile_{3 * k}_{(w + k) % 5}",
    "tails of any length": lambda w, k: f"PX{w:03d}_" + ("pre_op", "post_op", "late_post_op")[k],
    "words in brackets": lambda w, k: f"K-{w:04d}" + ("", " (re-scan)", " (2nd re-scan)")[k],
    "how it was changed": lambda w, k: f"sub-{w:02d}_desc-{('orig', 'flipLR', 'rot10')[k]}_feat",
}


@pytest.mark.parametrize("form", TAILS)
def test_a_person_is_told_from_a_visit_in_any_form_of_id(form):
    for seed in range(repetitions(1, 3)):
        table = repeated(TAILS[form], seed=seed)
        report = audit(table, label="dx", subject="id", only=["subjects"])
        assert report["subjects"].level == "stop" and "120 rows, but 40 people" in report["subjects"].evidence


@pytest.mark.parametrize("ids", [
    [f"{i % 20:03d}_S_{37 * i:04d}" for i in range(120)],
    [f"{'HC' if i % 2 else 'PD'}{i:03d}" for i in range(120)],
    list(range(120)),
    [f"{s:02d}-{i:03d}" for s in range(12) for i in range(10)],
    [f"site{s:02d}_{i}" for s in range(24) for i in range(5)],
    [f"{chr(65 + i % 26)}{chr(65 + i // 26)}{(i * 7) % 90 + 10}" for i in range(120)],
    [f"P{i // 48}-{'ABCDEFGH'[i % 8]}{i // 8 % 12 + 1:02d}" for i in range(120)],
    [f"C{i // 5:02d}-P{i % 5 + 1:02d}" for i in range(120)],
])  # fmt: skip
def test_an_id_of_one_person_is_left_whole(ids):
    rng = np.random.default_rng(1)
    table = pd.DataFrame(rng.standard_normal((120, 6))).add_prefix("v")
    table = table.assign(dx=rng.permutation(120) % 2, id=ids)
    found = audit(table, label="dx", subject="id", only=["subjects"])["subjects"].evidence
    assert found == "120 subjects, one row each."


def test_matched_pairs_are_two_people():
    table = repeated(lambda w, k: f"{w}{'ab'[k]}", visits=2, noise=20).assign(dx=np.tile([0, 1], 40))
    finding = audit(table, label="dx", subject="id", only=["subjects"])["subjects"]
    assert "80 subjects" in finding.evidence and "matched pairs" in finding.evidence


@pytest.mark.parametrize("visits", [2, 4, 10])
@pytest.mark.parametrize("label", ["condition", "score"])
def test_runs_of_one_person_with_other_labels_are_no_matched_pairs(label, visits):
    """Rest and task, or a score at every visit: the id says that it is the same person."""
    table = repeated(lambda w, k: f"sub-{w:02d}_run-{k + 1}", visits=visits)
    n = 40 * visits
    values = np.tile(["rest", "task"], n // 2) if label == "condition" else np.linspace(0, 1, n)
    finding = audit(table.assign(dx=values), label="dx", subject="id", only=["subjects"])["subjects"]
    assert finding.level == "stop" and f"{n} rows, but 40 people" in finding.evidence


@pytest.mark.parametrize(
    ("visits", "noise", "shuffled"),
    [(5, 0.25, True), (5, 0.25, False), (2, 0.3, True), (3, 0.5, False), (10, 0.4, True)],
)
def test_people_under_numbers_that_say_nothing_are_seen_in_the_features(visits, noise, shuffled):
    for seed in range(repetitions(1, 4)):
        table = repeated(lambda w, k: 0, n=60, visits=visits, noise=noise, p=30, seed=seed)
        if shuffled:
            table = table.sample(frac=1, random_state=seed)
        table["id"] = np.random.default_rng(seed).permutation(len(table))
        report = audit(
            table,
            label="dx",
            subject="id",
            only=["subjects", "duplicates", "ways to split", "better than chance"],
        )
        assert report["duplicates"].level == "stop" and report["subjects"].level == "stop"
        assert report["ways to split"].level != "fine"
        assert report["better than chance"].level == "warn"


@pytest.mark.parametrize("share", [0.2, 0.4, 0.7, 1.0])
def test_any_share_of_people_scanned_twice_is_seen(share):
    for seed in range(repetitions(1, 4)):
        rng = np.random.default_rng(seed)
        base, k = rng.standard_normal((60, 40)), round(60 * share)
        X = np.vstack([base, base[rng.permutation(60)[:k]] + 0.2 * rng.standard_normal((k, 40))])
        table = pd.DataFrame(X).add_prefix("v").assign(dx=np.arange(60 + k) % 2, id=np.arange(60 + k))
        assert audit(table, label="dx", subject="id", only=["duplicates"])["duplicates"].level == "stop"


def strangers(kind, rng, n=150):
    X = rng.standard_normal((n, 10))
    if kind == "skewed":
        return np.exp(X)
    if kind == "heavy tails":
        return rng.standard_t(3, X.shape)
    if kind == "zero-inflated":
        return np.where(rng.random(X.shape) < 0.5, 0, np.exp(X))
    if kind == "flat":
        X[:, 0] = np.where(rng.random(n) < 0.03, 7.0, 0.0)
    if kind == "gaps":
        X[rng.random(X.shape) < 0.15] = np.nan
    if kind == "rounded":
        return np.round(X, 1)
    if kind == "matched":
        X[1::2, :2] = X[::2, :2]
    if kind == "sites":
        X += 2 * rng.standard_normal((8, 10))[rng.integers(8, size=n)]
    if kind == "factors":
        return rng.standard_normal((n, 3)) @ rng.standard_normal((3, 30)) + 0.3 * rng.standard_normal((n, 30))
    return X


@pytest.mark.parametrize(
    "kind",
    [
        "normal",
        "skewed",
        "heavy tails",
        "zero-inflated",
        "flat",
        "gaps",
        "rounded",
        "matched",
        "sites",
        "factors",
    ],
)
def test_strangers_are_not_taken_for_one_person(kind):
    levels = []
    for seed in range(repetitions(3, 10)):
        rng = np.random.default_rng(seed)
        table = (
            pd.DataFrame(strangers(kind, rng))
            .add_prefix("v")
            .assign(dx=rng.permutation(150) % 2, id=np.arange(150))
        )
        levels.append(audit(table, label="dx", subject="id", only=["duplicates"])["duplicates"].level)
    assert levels.count("fine") >= len(levels) - 1, levels


def test_a_column_that_looks_like_a_person_is_asked_about():
    voices = load("parkinsons_voice")
    for table, label, column in (
        (voices.table, "status", "subject_id"),
        (repeated(lambda w, k: f"w{w}"), "dx", "id"),
    ):
        report = audit(table, label=label, only=["subjects", "ways to split"])
        assert report["subjects"].level == "warn" and f"subject={column!r}" in report["subjects"].evidence
        assert report["ways to split"].level == "open"


@pytest.fixture
def own():
    """``own(part, label)``: what is said of a split in the column `part`; the table; and who is in a row."""
    table = repeated(lambda w, k: f"w{w}")
    table[["v0", "v1", "v2"]] += 1.5 * table[["dx"]].to_numpy()

    def audited(part, label="dx"):
        given = {"label": label, "subject": "id", "split": "part", "only": ["own split"]}
        return audit(table.assign(part=part), **given)["own split"]

    return audited, table, table["id"].str[1:].astype(int)


def test_the_split_of_a_learner_is_audited(own):
    audited, table, person = own
    by_row = audited(np.random.default_rng(0).choice(["train", "test"], len(table)))
    assert by_row.level == "stop"
    assert "people (copies counted as one) are in training and test" in by_row.evidence
    parts = np.where(person < 28, "train", "test")
    assert audited(parts).level == "fine"
    for third in ("tune", None):  # no folds, since some rows are for training
        found = audited(np.select([person < 20, person < 30], ["train", "val"], third))
        assert "training row" in found.evidence and "folds" not in found.evidence
    columns = audit(table.assign(part=parts), label="dx", subject="id", only=["columns"])["columns"]
    assert "looks like a split" in columns.evidence


def test_folds_that_a_learner_has_dealt_are_audited(own):
    audited, table, person = own
    found = audited(np.random.default_rng(0).integers(5, size=len(table)))
    assert found.level == "stop"
    assert "people (copies counted as one) are in several folds: 5 folds of" in found.evidence
    found = audited(person % 5)
    assert found.level == "fine"
    assert "5 folds of 24 to 24 rows. Trained on others, the linear" in found.evidence
    assert float(found.evidence[-5:-1]) > 0.7
    # Everybody in every fold: nobody is left to train on.
    found = audited(np.arange(len(table)) % 3, label="v0")
    assert (
        found.level == "stop" and found.evidence.startswith("40 people") and "Trained" not in found.evidence
    )


# Labels that are none, and columns that are no numbers


@pytest.mark.parametrize(
    "blank", [*"unknown| |.|n/a|Not Reported|9=unknown|k.A.|refused|not done|".split("|"), -9, 999, None]
)
def test_what_is_no_label_is_no_class(blank):
    rng = np.random.default_rng(3)
    numbers = isinstance(blank, int)
    label = rng.permutation(np.arange(120) % 2 + 1) if numbers else rng.choice(["PD", "HC"], 120)
    table = pd.DataFrame(rng.standard_normal((120, 4))).add_prefix("v")
    table["dx"] = pd.Series(label).where(np.arange(120) % 10 > 0, blank)
    if blank == -9:  # whole numbers, but in a column of any type
        table["dx"] = table["dx"].astype(object)
    report = audit(table, label="dx", only=["label", "columns"])
    assert "2 classes" in report.notes[0] and "108 rows" in report.notes[0]
    assert "12 rows" in " ".join(report.notes)
    assert "right in" in report.notes[0] and report["label"].level == ("fine" if blank is None else "warn")


def test_four_labels_are_not_four_classes_without_a_word():
    rng = np.random.default_rng(4)
    table = pd.DataFrame(rng.standard_normal((200, 4))).add_prefix("v")

    def judged(*words):
        return audit(table.assign(dx=rng.choice(words, 200)), label="dx", only=["label"])["label"]

    finding = judged("PD", "Control", "Other", "Prodromal")
    assert finding.level == "warn" and "Other, Prodromal too" in finding.evidence
    assert judged("PD", "HC", "MSA").level == "fine"


@pytest.mark.parametrize("words", [("response", "no response"), ("stable", "declined")])
def test_an_outcome_is_a_class_though_it_says_no(words):
    rng = np.random.default_rng(4)
    table = pd.DataFrame(rng.standard_normal((120, 4))).assign(dx=rng.choice(words, 120)).rename(columns=str)
    report = audit(table, label="dx", only=["label"])
    assert "2 classes" in report.notes[0] and "120 rows" in report.notes[0]


@pytest.mark.parametrize(
    "word", ["Indeterminate", "withdrawn", "Screen failure", "lost to follow-up", "unklar"]
)
def test_a_third_word_that_is_no_diagnosis_is_named(word):
    rng = np.random.default_rng(4)
    table = pd.DataFrame(rng.standard_normal((200, 4))).add_prefix("v")
    table["dx"] = rng.choice(["PD", "HC", word], 200)
    finding = audit(table, label="dx", only=["columns"])["columns"]
    assert finding.level == "warn"
    assert f"{word} of the label may be no class like the others" in finding.evidence


def test_numbers_as_text_and_categories_are_not_dropped_under_fine():
    rng = np.random.default_rng(5)
    table = pd.DataFrame(rng.standard_normal((120, 4))).add_prefix("v").assign(dx=rng.permutation(120) % 2)
    table["v0"] = table["v0"].map("{:.3f}".format).str.replace(".", ",")
    table["v1"] = table["v1"].map(lambda v: f"{1000 + 500 * v:,.1f}")
    table["yes"] = rng.choice(["True", "False"], 120)
    finding = audit(table, label="dx", only=["columns"])["columns"]
    assert "5 features" in finding.evidence and "read as numbers in v0, v1, yes" in finding.evidence
    finding = audit(table.assign(sex=rng.choice(["f", "m"], 120)), label="dx", only=["columns"])["columns"]
    assert finding.level == "warn" and "Text with few values was left out: sex" in finding.evidence


def test_no_cell_stands_in_a_report(tmp_path, monkeypatch):
    monkeypatch.setattr("audit.report._png", lambda *_, **__: b"a picture")  # drawn in test_report.py
    rng = np.random.default_rng(6)
    table = (
        pd.DataFrame(rng.standard_normal((120, 4)))
        .add_prefix("v")
        .assign(dx=rng.permutation(120) % 2, id=[f"Zz{i}" for i in range(120)])
    )
    table["n"] = rng.integers(0, 60, 120).astype(str)
    table.loc[[3, 9], "n"] = "Mrs Qq refused, 555-0100"
    table["note"] = [f"Qq {i}" for i in range(120)]
    table["group"] = rng.choice(["Qq a", "Qq b"], 120)
    table["rater"] = "Qq"
    report = audit(table, label="dx", subject="id", second_rater="rater", site="note", demographics="note")
    page = report.save(tmp_path / "r.html").read_text(encoding="utf-8") + report._repr_html_() + repr(report)
    page = re.sub(r"base64,[^\"]*", "", page)  # letters of a picture may be anything
    assert "Qq" not in page and "Zz" not in page
