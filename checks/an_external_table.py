"""The checks of exercise 07: two tables made alike, an AUC with its interval, calibration, a threshold."""

import numpy as np
import pandas as pd
from scipy import optimize
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from checks.identities import off
from checks.intervals import Around
from checks.judge import NotYet, Row, Table, check, numbers, reader
from checks.mistakes import mistakes

# Task 1: the same columns

NORMAL = {"age": (62, 10), "sbr_putamen": (1.3, 0.4), "volume_putamen": (5400, 700),
          "volume_caudate": (3600, 450), "thickness": (2.5, 0.15), "genetic_risk": (0.3, 1.0)}  # fmt: skip


def two_tables(draw):
    """Ours, theirs, the codebook and the code, from simple to intricate."""
    found = {}
    for i, (name, code, factors) in enumerate((
        ("one unit, one code", -999, {"volume_putamen": 1000.0}),
        ("two units, up and down", -9, {"volume_caudate": 1000.0, "thickness": 0.001}),
        ("a code that is an age in ours", 99, {"volume_putamen": 1000.0, "volume_caudate": 0.5}),
        ("gaps beside the codes", 999, {"thickness": 0.1, "sbr_putamen": 100.0}),
    )):  # fmt: skip
        rng = draw(i)
        ours, theirs = (
            pd.DataFrame({one: rng.normal(m, sd, n).round(4) for one, (m, sd) in NORMAL.items()})
            for n in (30, 24)
        )
        ours.index, theirs.index = [f"sub-{k:02d}" for k in range(30)], [f"ext-{k:02d}" for k in range(24)]
        ours = ours.mask(rng.random(ours.shape) < 0.05)
        ours.iloc[4, 0], ours.iloc[5, 0] = code if code > 0 else 71, np.nan
        for one, factor in factors.items():
            theirs[one] /= factor
        if i == 3:
            theirs = theirs.mask(rng.random(theirs.shape) < 0.05)
        theirs = theirs.mask(rng.random(theirs.shape) < 0.1, code)
        theirs.iloc[3, :3] = theirs.iloc[5, 3:] = code
        ours = ours.drop(columns="sbr_putamen") if i == 1 else ours
        theirs = theirs.drop(columns=["age", "genetic_risk"][i == 2]).assign(field_strength=3.0)
        found[name] = ours, theirs[rng.permutation(theirs.columns)], factors, float(code)
    return found


def settled(ours, theirs, factors, missing_code):
    common = [name for name in ours if name in theirs]
    gaps = theirs[common] == missing_code
    return ours[common], (theirs[common] * by_column(factors, common)).mask(gaps)


def by_column(factors, names):
    return pd.Series(factors).reindex(names).fillna(1.0)


def same_tables(one, other):
    """Whether both pairs hold the same columns and values; which order is theirs, if it is one."""
    return all(
        sorted(a) == sorted(b)
        and len(a) == len(b)
        and np.allclose(a[sorted(a)], b[sorted(a)], rtol=1e-4, equal_nan=True)
        for a, b in zip(one, other, strict=True)
    ) and (list(one[0]) == list(one[1])) == (list(other[0]) == list(other[1]))


def _told_of_tables(name, data, got, right):
    """What differs first, from the columns to the values."""
    for one, good, whose in zip(got[::-1], right[::-1], ("their", "our"), strict=True):
        start = f"{name.capitalize()}: in {whose} table,"
        if more := [column for column in one if column not in good]:
            return (
                f"{start} {more[0]} is still there, which only one side has. A model that uses it can never "
                f"be tested outside. → Drop it now, from both."
            )
        if gone := [column for column in good if column not in one]:
            return f"{start} the column {gone[0]} is lacking. → Keep all columns that both tables have."
        if len(one) != len(good):
            return (
                f"{start} {len(one)} of {len(good)} rows came back. Subjects with a missing value are "
                f"subjects. → Keep every row, and leave the gaps to the imputer."
            )
        for column in good:
            x, y = one[column].to_numpy(), good[column].to_numpy()
            for bad, why in (
                (np.isnan(x) & ~np.isnan(y), "where a value is known. → Only the code is a gap."),
                (x == data[3], "which is their code. It still holds the code in places. → Make all np.nan."),
                (
                    np.isnan(y) & ~np.isnan(x),
                    "where a value is missing. → Leave it np.nan: the pipeline fills it "
                    "in, with what it learnt from our training rows.",
                ),
                (
                    ~np.isclose(x, y, rtol=1e-4, equal_nan=True),
                    "which is not the value, in our unit. → Multiply "
                    "their columns by their factors, and nothing else.",
                ),
            ):
                if (bad & ~((x == y) & (x == data[3]))).any():
                    return f"{start} {column} holds {x[bad][0]:.4g}, {why}"
    return f"{name.capitalize()}: the two tables have another order of columns. → Give both the same one."


def then(change):
    """Settled, and then changed: ``change(a, b, theirs, factors, code)``."""
    return lambda ours, theirs, factors, code: change(
        *settled(ours, theirs, factors, code), theirs, factors, code
    )


COLUMNS = Table(
    two_tables,
    settled,
    mistakes(
        unit_forgotten=(
            lambda ours, theirs, factors, code: settled(ours, theirs, dict.fromkeys(factors, 1.0), code),
            "The unit is still theirs. → Multiply their columns by the factors.",
        ),
        divided=(
            then(lambda a, b, theirs, factors, code: (a, b / by_column(factors, list(b)) ** 2)),
            "Their columns were divided by the factors. → Multiply with them.",
        ),
        code_kept=(
            then(lambda a, b, theirs, factors, code: (a, b.mask(theirs[list(b)] == code, code))),
            "Their table still holds the code for missing values. → Make it np.nan.",
        ),
        unit_before_code=(
            lambda ours, theirs, factors, code: [
                one.replace(code, np.nan) if one.index[0][0] == "e" else one
                for one in settled(ours, theirs, factors, np.inf)
            ],
            "The code was converted like a value, and is no longer found. → Replace the code first, then "
            "convert the unit.",
        ),
        code_in_ours=(
            then(lambda a, b, theirs, factors, code: (a.replace(code, np.nan), b)),
            "The code was replaced in our table too, where that number is a value: our 99 is an age. The "
            "codebook is theirs. → Leave our values alone.",
        ),
        units_of_both=(
            then(lambda a, b, theirs, factors, code: (a * by_column(factors, list(a)), b)),
            "Our own columns were converted too. → Only the table of the others has other units.",
        ),
        another_order=(
            then(lambda a, b, theirs, factors, code: (a, b[sorted(b, reverse=True)])),
            "Both results have the same columns, but not in the same order. A model that gets arrays takes "
            "the first column for the first, whatever its name. → Order both alike.",
        ),
    ),
    "The columns that only one side has are gone from both, the order is the same, the codes became gaps "
    "before the units were converted, and no row was lost.",
    same=same_tables,
    told=_told_of_tables,
)


@reader("tables ours and theirs")
def tables(value):
    found = list(value) if isinstance(value, tuple | list) else [value]
    if len(found) != 2 or not all(isinstance(one, pd.DataFrame) for one in found):
        kinds = ", ".join(type(one).__name__ for one in found[:4])
        raise NotYet(f"The function returns {kinds}. → Return two tables (DataFrames): ours, theirs.")
    if not all(one.columns.is_unique for one in found):
        raise NotYet("A table that comes back has two columns of one name. → Keep every column once.")
    return tuple(one.astype(float) for one in found)


@check("ours", "theirs", "factors", "missing_code", read=tables)
def same_columns(learner, draw):
    """``same_columns(ours, theirs, factors, missing_code)``: both tables with the same columns and units."""
    COLUMNS.judge(learner, draw)


# Task 2: an AUC with its interval


def risks(rng, patients, controls, d=1.2):
    """y and risk of a finished model: two normal classes at a distance of `d`."""
    y = rng.permutation(np.repeat([0, 1], [controls, patients]))
    return y, expit(d * (rng.standard_normal(len(y)) + d * y - d / 2))


def near_one(rng, low, high, d):
    """y and risk of 60 patients and 60 controls, with an AUC between these two."""
    while not low <= roc_auc_score(*(found := risks(rng, 60, 60, d))) <= high:
        pass
    return found


AUC = Around(
    roc_auc_score, "AUC", lambda auc: 1 - auc,
    "It is turned round. → High risk means y = 1.",
    "→ An AUC needs the risks themselves, not calls at a threshold, and all subjects once.",
)  # fmt: skip
LOGIT = (
    "→ Near 1 take the formula on the scale of the logit, log(AUC / (1 - AUC)), and go back, or the "
    "quantiles of a bootstrap."
)


def _seen(learner, y, risk):
    """AUC and interval, where the AUC is right and inside, and both ends are possible."""
    auc, low, high = AUC.seen(learner, y, risk)
    if high > 1 + 1e-9 or low < -1e-9 or not low < auc < high:
        raise NotYet(
            f"With an AUC of {auc:.3f} the interval is {low:.3f} to {high:.3f}. No AUC is below 0 or above "
            f"1, and none is known for sure. {LOGIT}"
        )
    return auc, low, high


@check("y", "risk", read=numbers("AUC", "lower end", "upper end"))
def auc_with_interval(learner, draw):
    """``auc_with_interval(y, risk)``: the AUC of an external cohort with its 95 % interval."""
    rare = AUC.widths(learner, lambda i: risks(draw(20 + i), 30, 470), 0.87, 1.5)
    even = AUC.widths(learner, lambda i: risks(draw(i), 60, 60), 0.89, 1.18)
    learner.right.append("The AUC is right.")
    told = f"the interval is {even:.2f} times as wide as by DeLong's formula"
    if even < 0.89 or even > 1.18:
        size = "narrow" if even < 1 else "wide"
        raise NotYet(
            f"With 60 patients and 60 controls, {told}: too {size} for 95 %. (With 30 and 470, {rare:.2f} "
            "times. The rarer group decides.) → Go 1.96 standard errors to either side, or draw as many "
            "subjects as there are, with replacement, and take the quantiles 0.025 and 0.975."
        )
    learner.right.append(f"With 60 patients and 60 controls {told}.")
    if not 0.87 < rare < 1.5:
        raise NotYet(
            f"With 30 patients and 470 controls it is {rare:.2f} times as wide as by DeLong's formula. The "
            "rarer group decides how well an AUC is known. → Look where each of the two numbers stands in "
            "the formula."
        )
    learner.right.append(f"With 30 patients and 470 controls it is {rare:.2f} times as wide.")
    # Near 1 what is seen scatters further down than up, so that an honest interval reaches further down.
    _seen(learner, *near_one(draw(40), 0.985, 0.9995, 3.3))
    parts = []  # plus and minus is 1.00 exactly; the quantiles of few draws scatter around 1.3
    while len(parts) < 4 or (len(parts) < 12 and 1.01 < np.mean(parts) < 1.2):
        auc, low, high = _seen(learner, *near_one(draw(50 + len(parts)), 0.94, 0.965, 2.4))
        parts.append((auc - low) / (high - auc))
    if np.mean(parts) < 1.04:
        raise NotYet(
            f"Near 1, at AUCs of about 0.95, the interval reaches {np.mean(parts):.2f} times as far down as "
            f"up. There is less room above than below, so such an interval misses the truth more often than "
            f"in 5 of 100 studies. {LOGIT}"
        )
    learner.right.append(
        f"Near 1 it reaches {np.mean(parts):.1f} times as far down as up, and never beyond 1."
    )


# Task 3: calibration


def calibrated(draw):
    """y and risk, by what is wrong with the risks."""
    found = {}
    for i, (name, n, spread, middle, a, b, bend) in enumerate((
        ("a well calibrated model", 2000, 1.5, 0.0, 0.0, 1.0, 0),
        ("a disease that is rarer than the model thinks", 2000, 1.5, -0.5, -1.5, 1.0, 0.15),
        ("risks that are too extreme", 2000, 3.0, 0.8, 1.0, 0.5, 0),
        ("risks that are too alike", 1000, 0.7, -1.0, 0.6, 1.8, 0),
        ("a small cohort with few patients", 60, 0.7, -1.0, 0.0, 1.0, 0),
    )):  # fmt: skip
        rng = draw(i)
        log_odds = middle + rng.standard_normal(n) * spread
        found[name] = (
            (rng.random(n) < expit(a + b * log_odds + bend * log_odds**2)).astype(int),
            expit(log_odds),
        )
    return found


def regression(y, x, C=np.inf, **settings):
    model = LogisticRegression(C=C, tol=1e-8, max_iter=1000, **settings).fit(x[:, None], y)
    return model.intercept_[0], model.coef_[0, 0]


def shift_and_slope(y, risk):
    log_odds = logit(risk)
    shift = optimize.brentq(lambda a: expit(log_odds + a).mean() - y.mean(), -20, 20)
    return np.array([shift, regression(y, log_odds)[1]])


def wrong_shift(shift):
    return lambda y, risk: np.array([shift(y, risk), shift_and_slope(y, risk)[1]])


def wrong_slope(slope):
    return lambda y, risk: np.array([shift_and_slope(y, risk)[0], slope(y, risk)])


CALIBRATION = Table(
    calibrated,
    shift_and_slope,
    mistakes(
        slope_free=(
            wrong_shift(lambda y, risk: regression(y, logit(risk))[0]),
            "The intercept is that of a regression with the slope set free. → Hold the slope at 1.",
        ),
        penalised=(
            wrong_slope(lambda y, risk: regression(y, logit(risk), C=1)[1]),
            "The slope is pulled towards 0, most of all in a small cohort: LogisticRegression has a penalty. "
            "→ Switch it off: C=np.inf.",
        ),
        one_fit=(
            lambda y, risk: np.array(regression(y, logit(risk), C=1)),
            "Both numbers are of one regression, and with the penalty that LogisticRegression has. → Hold "
            "the slope at 1 for the intercept, and fit the slope anew, with C=np.inf.",
        ),
        shares=(
            wrong_shift(lambda y, risk: y.mean() - risk.mean()),
            "The intercept is a difference of shares. → It is wanted on the scale of the log odds: what, "
            "added to all of them, makes the mean risk equal to the share of patients?",
        ),
        odds_of_the_mean=(
            wrong_shift(lambda y, risk: logit(y.mean()) - logit(risk.mean())),
            "The intercept compares the log odds of two averages. → Find the number that, added to "
            "everybody's log odds, makes the mean risk equal to the share of patients.",
        ),
        mean_of_the_odds=(
            wrong_shift(lambda y, risk: logit(y.mean()) - logit(risk).mean()),
            "The intercept is measured from the average of the log odds. → Find the number that, added to "
            "all log odds, makes the mean risk equal to the share of patients.",
        ),
        weighted=(
            wrong_slope(lambda y, risk: regression(y, logit(risk), class_weight="balanced")[1]),
            "The slope is that of a regression that weights patients and controls alike. → Leave the weights "
            "out: the cohort counts as it is.",
        ),
        of_the_risk=(
            wrong_slope(lambda y, risk: regression(y, risk)[1]),
            "The slope is about the risk itself. → Take the log odds of the risk.",
        ),
        straight_line=(
            wrong_slope(lambda y, risk: np.polyfit(risk, y, 1)[0]),
            "The slope is that of a straight line. → Take a logistic regression on the log odds.",
        ),
        slope_first=(
            lambda y, risk: shift_and_slope(y, risk)[::-1],
            "The order is turned round. → The intercept comes first, then the slope.",
        ),
        sign_turned=(
            lambda y, risk: shift_and_slope(y, risk) * [-1, 1],
            "The intercept has the wrong sign. → Where risks are too high, it is negative.",
        ),
    ),
    "Intercept and slope are right where the model is well calibrated, where the disease is rarer, where "
    "risks are too extreme or too alike, and in a cohort of 60.",
    same=lambda one, other: np.allclose(one, other, rtol=0, atol=0.02),
    told=lambda name, data, got, right: (
        f"For {name} the function returns {got[0]:.2f} and {got[1]:.2f}; {right[0]:.2f} and {right[1]:.2f} "
        f"are right. → Look at the {'intercept' if abs(got[0] - right[0]) > 0.02 else 'slope'}."
    ),
)


@check("y", "risk", read=numbers("intercept", "slope"))
def calibration(learner, draw):
    """``calibration(y, risk)``: intercept (slope held at 1) and slope of the calibration."""
    CALIBRATION.judge(learner, draw)


# Task 4: the threshold


def people(rng, n, share, d, p=3, informative=1):
    """X, y: of `p` columns the first one, or first ones, are higher by `d` in patients."""
    y = rng.permutation((np.arange(n) < round(share * n)).astype(int))
    X = rng.standard_normal((n, p))
    X[:, :informative] += d * y[:, None]
    return X, y


def clear_cohorts(draw):
    """External people as clear as the middle of our patients (5) or of our controls (0), by what they are.

    Every sound model and threshold calls the same ones, so that both answers are known exactly.
    """
    found = {}
    for i, (name, patients, called, controls, wrongly) in enumerate((
        ("all are clear", 40, 40, 60, 0),
        ("one patient in four looks healthy", 40, 30, 60, 0),
        ("one control in three looks ill", 40, 40, 60, 20),
        ("both", 70, 63, 30, 12),
        ("another scanner: all look ill", 50, 50, 70, 70),
        ("another scanner: all look healthy", 30, 0, 70, 0),
        ("nine in ten are patients", 180, 162, 20, 2),
    )):  # fmt: skip
        rng = draw(60 + i)
        X, y = people(rng, 200, 0.5, 5)
        rows = rng.permutation(patients + controls)
        X_external = 0.1 * rng.standard_normal((len(rows), 3))
        X_external[:called, 0] += 5
        X_external[patients : patients + wrongly, 0] += 5
        found[name] = X, y, X_external[rows], (rows < patients).astype(int)
    return found


def measured(X, y, X_external, y_external):
    return rates(y_external, X_external[:, 0] > 2.5)


def rates(y, called):
    return np.array([called[y == 1].mean(), 1 - called[y == 0].mean()])


CLEAR_CASES = Table(
    clear_cohorts,
    measured,
    mistakes(
        specificity_first=(
            lambda *data: measured(*data)[::-1],
            "The order is turned round. → The sensitivity comes first.",
        ),
        errors=(
            lambda *data: 1 - measured(*data),
            "These are the shares of errors. → Return what is right: 1 minus the errors.",
        ),
        predictive_values=(
            lambda X, y, new, true: (
                np.array([true[new[:, 0] > 2.5].sum(), (1 - true[new[:, 0] < 2.5]).sum()])
                / [max((new[:, 0] > 2.5).sum(), 1), max((new[:, 0] < 2.5).sum(), 1)]
            ),
            "These are predictive values: of those called, how many are patients. → Return the share of "
            "patients who are called, and of controls who are not.",
        ),
    ),
    "Where all external people are clear, both numbers are exactly right, with another scanner and with 90 % "
    "patients too.",
    same=lambda one, other: np.allclose(one, other, rtol=0, atol=0.011),
    told=lambda name, data, got, right: (
        f"In external people as clear as the middle of our classes ({name}), the function returns "
        f"{got[0]:.2f} and {got[1]:.2f}, and {right[0]:.2f} and {right[1]:.2f} is right: something was "
        "adjusted to the external cohort, as when it is scaled by its own mean, or the model does not learn. "
        "→ Fit, scale and choose with X and y alone, and count in the external cohort."
    ),
)


def _diagnoses_speak(learner, draw):
    """Fixed predictions: with all external diagnoses exchanged, both numbers change places, as errors."""
    says, state = [], np.random.get_state()  # noqa: NPY002 (what scikit-learn draws from without a seed)
    for i in range(30):
        inside, outside = people(draw(100 + i), 100, 0.5, 1), people(draw(200 + i), 77, 0.3, 0)

        def of(labels, inside=inside, outside=outside):
            np.random.seed(0)  # noqa: NPY002
            return learner(*inside, outside[0], labels)

        found = of(outside[1]), of(1 - outside[1])
        says.append(found[0] + found[1][::-1] - 1)
        exact = np.abs(says[-1]).max() <= 0.011
        same = exact or np.allclose(found[0], of(outside[1]), atol=1e-9)
        np.random.set_state(state)  # noqa: NPY002
        if np.allclose(found[0] + found[1], 1, atol=0.011):
            return  # predictive values, which the clear cohorts tell
        if same and (i == 3 or not exact):
            break  # a function that draws with a generator of its own needs more sets
    spread = np.std(np.mean(says, axis=1)) / np.sqrt(len(says))
    if not exact if same else np.mean(says) > max(0.03, 4.5 * spread):
        raise NotYet(
            "With all external diagnoses exchanged, who was missed is now rightly spared: the new "
            "sensitivity must be 1 minus the old specificity. It is not, so these diagnoses had a say, in "
            "the threshold, in its scale or in the fit. → Choose and fit within X and y."
        )
    learner.right.append("The external diagnoses have no say: they are only counted.")


def _others_speak(learner, draw):
    """Who is called does not depend on who else is external: of two tables, what both get is the mean."""
    for i in range(2):
        inside, (X, y) = people(draw(100 + i), 100, 0.5, 1), people(draw(200 + i), 400, 0.3, 0)
        far = np.add(X, [100, 0, 0])  # as from another scanner
        tables = (np.concatenate([X, far]), np.concatenate([y, y])), (X, y), (far, y)
        more, _ = off(lambda *all: learner(*all)[0], [(*inside, *one) for one in tables], (2, -1, -1), 0)
        if abs(more) > 0.021:  # a share may be rounded
            raise NotYet(
                "Who is called must not depend on who else is in the external table, and here it does: two "
                "tables together do not get the mean of what each gets alone. So something was learnt from "
                "the external table, such as a scale or a fill-in. → Learn it from X alone."
            )


def _rare(draw, share, i):
    """So large a share of patients inside, and 40 % outside, where both numbers can be 0.84."""
    return *people(draw(300 + i), 800, share, 2), *people(draw(310 + i), 800, 0.4, 2)


def _memorised(learner, draw):
    """With many columns a model knows its own patients too well: a threshold chosen on them is too high."""
    found, doubt = [], True
    while len(found) < 4 or (doubt and len(found) < 12):
        i = len(found)
        inside = people(draw(320 + i), 120, 0.2, 1, 60, 8)
        found.append(learner(*inside, *people(draw(340 + i), 600, 0.4, 1, 60, 8)))
        gaps = np.diff(found)[:, 0]  # specificity less sensitivity: about 0 with cross-validation
        doubt = abs(gaps.mean() - 0.3) < 3 * max(gaps.std(), 0.05) / np.sqrt(len(gaps))
    if gaps.mean() > 0.3:
        both = np.mean(found, axis=0)
        raise NotYet(
            f"With 60 columns and 24 patients in X, the function gets {both[0]:.2f} and {both[1]:.2f}, "
            "two numbers that are alike with a threshold from cross-validation. A model is too sure of the "
            "scans that it was fitted to: a threshold chosen on its predictions of them misses new patients. "
            "→ Choose it on the predictions of a cross-validation."
        )


def three_heaps(rng, patients, controls):
    """Clear patients, clear controls, and people in between: so many per cent of both in X, half outside."""

    def some(patients, controls):
        heap = np.repeat([0, 1, 1, 2], [100 - controls, controls, patients, 100 - patients])
        X, rows = rng.standard_normal((200, 3)), rng.permutation(200)
        X[:, 0] += 6 * heap
        return X[rows], np.repeat([0, 1], 100)[rows]

    return *some(patients, controls), *some(50, 50)


@check("X", "y", "X_external", "y_external", read=numbers("sensitivity", "specificity"))
def operating_point(learner, draw):
    """``operating_point(X, y, X_external, y_external)``: threshold chosen inside, measured once outside."""
    X, y, X_external, y_external = clear_cohorts(draw)["one patient in four looks healthy"]
    first, emptied = learner(X, y, X_external, y_external), learner(X, y, 0 * X_external, 1 - y_external)
    if max(*first, *emptied) > 1 + 1e-9 or min(*first, *emptied) < -1e-9:
        raise NotYet(
            f"The function returns {first[0]:.4g} and {first[1]:.4g}, but both are shares from 0 to 1. → If "
            f"they are percentages, divide them by 100."
        )
    if np.allclose(first, emptied, atol=1e-9):
        raise NotYet(
            f"The function returns {first[0]:.2f} and {first[1]:.2f}, and so it does when the external table "
            f"is emptied and its diagnoses are exchanged. → Measure both in the external cohort."
        )
    _diagnoses_speak(learner, draw)
    CLEAR_CASES.judge(learner, draw)
    _others_speak(learner, draw)
    for share, who in ((0.05, "patients"), (0.8, "controls")):
        found = learner.all([_rare(draw, share, i) for i in range(2)])
        mean, both = found.mean(), found.mean(axis=0)
        told = f"{both[0]:.2f} and {both[1]:.2f}"
        learner.rows.append(
            Row(
                f"few {who} inside: mean of both", tuple(found.mean(axis=1)), mean >= 0.75, ("possible", 0.84)
            )
        )
        if mean < 0.75:
            raise NotYet(
                f"Where {who} are few in X, the function gets {told} outside, and 0.84 each is possible. A "
                "threshold of 0.5, or any number fixed beforehand, misses most of a rare class; so does one "
                "that is chosen on predictions of the very scans that the model was fitted to. → Take the "
                "threshold with the largest sum of sensitivity and specificity in cross-validation within X."
            )
        learner.right.append(f"Where {who} are few in X, it gets {told} outside (0.84 each is possible).")
    _memorised(learner, draw)
    for patients, controls in ((30, 60), (60, 30)):
        found = learner.all([three_heaps(draw(400 + patients + i), patients, controls) for i in range(4)])
        gap = np.mean(found[:, 0] - found[:, 1])  # of a third or so, in either direction
        if (gap > 0) == (patients < controls):
            raise NotYet(
                f"In X {patients} % of the patients and {controls} % of the controls look alike, so that to "
                f"call them adds {patients} points of sensitivity and takes {controls} of specificity. "
                f"Outside most of them are {'called' if gap > 0 else 'not called'}: it buys the one with the "
                "other. → Take the threshold with the largest sum of both, in cross-validation within X."
            )
