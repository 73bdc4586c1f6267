"""Lesson 07: an external table, its scale and its share of patients."""

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtr
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_score, recall_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

from simulations.other_sites import SD, percent
from utils import batched
from utils.drawing import (
    BEFORE,
    DASHED,
    DOTTED,
    NO_GUESS,
    TEXT,
    Chart,
    axis,
    chart,
    guess_line,
    handle,
    layer,
    table,
    tips,
)
from utils.simulation import Number, Share, Studies, Whole, simulation

# Scaling

SCALINGS = ("by the training cohort", "by its own mean", "by its own controls")
_RATES = ("sensitivity", "specificity")


def _cohorts(name: str, values: np.ndarray, dots: bool = False) -> tuple[list[dict], dict]:
    """Layers and data of what external cohorts measure: the mean, and nine in ten, a row for each column.

    With `dots` there is a thin line for every cohort.
    """
    low, high = np.quantile(values, [0.05, 0.95], axis=0)
    means = values.mean(axis=0)
    data = {
        name: table(x=means, low=low, high=high, y=np.arange(len(means))[::-1])
        | {"text": [f"{mean:.2f}" for mean in means]},
        name + BEFORE: {"x": []},
        f"{name} cohorts": {"x": []},
    }
    if dots:
        data[f"{name} cohorts"] = table(x=values.ravel(), y=np.tile(np.arange(len(means))[::-1], len(values)))
    number = {"dy": -18, "fontSize": TEXT + 1, "fontWeight": "bold"}
    hover = {"tooltip": tips(mean="x|.2f", nine_in_ten_from="low|.2f", to="high|.2f")}
    layers = [
        layer("tick", f"{name} cohorts", "true", thickness=1, size=26, opacity=0.5),
        layer("point", name + BEFORE, "before", size=130, strokeWidth=1.5),
        layer("rule", name, "true", strokeWidth=4, encoding={"x": "low", "x2": "high"}),
        *(layer("tick", name, "true", thickness=3, size=16, encoding={"x": x}) for x in ("low", "high")),
        layer("circle", name, "true", size=130, opacity=1, encoding=hover),
        layer("halo", name, **number),
        layer("text", name, "true", **number),
    ]
    return layers, data


def operating_points(outcome, *, dots: bool = False) -> list[Chart]:
    """Sensitivity and specificity of an external cohort at the internal threshold, by kind of scaling."""
    inside, charts = float(outcome.draws["inside"].mean()), []
    top, bold = {"y": {"value": 0}}, {"dy": -9, "fontWeight": "bold"}
    for rate in _RATES:
        layers, data = _cohorts(rate, outcome.draws[rate], dots)
        first = outcome.draws[rate][:, 0].mean().clip(0.26, 0.74)
        data[f"{rate} inside"] = table(x=np.array([inside])) | {"text": [f"inside {inside:.2f}"]}
        data[f"{rate} words"] = table(
            x=np.array([first]), y=[2], text=["a line for each cohort" if dots else "nine cohorts in ten"]
        )
        under = [layer(kind, f"{rate} words", "true", dy=18) for kind in ("halo", "text")]
        lines = [
            layer("upright", f"{rate} inside", "reported", strokeWidth=2.5, strokeDash=DASHED),
            layer("text", f"{rate} inside", "reported", encoding=top, **bold),
        ]
        names = [scaling.replace("by ", "scaled by\n") for scaling in SCALINGS]
        y = axis(ends=(-0.5, 2.6), at=[2.1, 1.1, 0.1], words=names, line=False)
        x = axis(f"{rate.capitalize()} outside", at=np.arange(0, 1.1, 0.2), form=".1f")
        layers = [*([] if charts else guess_line()), *lines, *layers, *under]
        charts.append(chart(layers, data | NO_GUESS, x, y, height=250, right=36))
    return charts


@simulation(block=50, draw=operating_points)
class external_scaling:
    """An external cohort is scaled in three ways before it meets the threshold that was chosen inside.

    One normal feature of variance 1 in either class. Inside, half are patients, there are endless subjects,
    and the threshold lies half-way between the classes. Draws: "sensitivity" and "specificity", one for each
    of SCALINGS (with the mean of the training cohort; of the external cohort; with mean and standard
    deviation of the controls of either cohort), measured in one external cohort each; "AUC" (the same for all
    three) and "inside" (true sensitivity, and specificity, in the training cohort).

    Theory: with endless external subjects and no shift, scaling by the own mean gives sensitivity Phi((1 - q)
    d) and specificity Phi(q d) for prevalence q; with the scanner shift s, the training mean gives Phi(d / 2
    + s) and Phi(d / 2 - s).
    """

    prevalence = Share(
        0.8,
        low=0.05,
        high=0.95,
        label="Patients in the external cohort",
        unit="%",
        at=np.arange(0.1, 0.95, 0.1),
    )
    scanner_shift = Number(0.0, label="What the external scanner adds", unit=SD, at=np.arange(-2, 2.1, 0.5))
    n_external = Whole(200, 40, label="Subjects in the external cohort", at=[50, 100, 200, 500])
    effect = Number(1.5, 0, open="low", label="True effect", unit=SD, at=[0.5, 1, 1.5, 2, 3])

    def recruit(p, rng, repeats):
        labels = (np.arange(p.n_external) < round(p.prevalence * p.n_external)).astype(int)
        x = rng.standard_normal((repeats, p.n_external)) + p.effect * labels + p.scanner_shift
        return Studies({"x": x}, labels=labels)

    def one(p, study):
        x, y = study.x[:, None], study.labels
        controls = StandardScaler().fit(x[y == 0])
        # The training cohort is endless: its mean is effect / 2, and its controls have mean 0 and variance 1.
        called = [
            x > p.effect / 2,
            StandardScaler().fit_transform(x) > 0,
            (x - controls.mean_) / x[y == 0].std(ddof=1) > p.effect / 2,
        ]
        return {
            "sensitivity": [recall_score(y, ill[:, 0]) for ill in called],
            "specificity": [recall_score(y, ill[:, 0], pos_label=0) for ill in called],
            "AUC": roc_auc_score(y, study.x),
            "inside": norm.cdf(p.effect / 2),
        }

    def analyse(p, s):
        controls = s.x[:, s.labels == 0]
        middle, spread = controls.mean(axis=1, keepdims=True), controls.std(axis=1, ddof=1, keepdims=True)
        own = s.x > s.x.mean(axis=1, keepdims=True)
        called = np.stack([s.x > p.effect / 2, own, (s.x - middle) > p.effect / 2 * spread], axis=1)
        return {
            "sensitivity": called[..., s.labels == 1].mean(axis=2),
            "specificity": 1 - called[..., s.labels == 0].mean(axis=2),
            "AUC": batched.auc(s.x, s.labels),
            "inside": np.full(len(s.x), ndtr(p.effect / 2)),
        }

    def read(p, draws):
        rates = (draws[name].mean(axis=0) for name in _RATES)
        got = "; ".join(f"{name} {a:.2f} and {b:.2f}" for name, a, b in zip(SCALINGS, *rates, strict=True))
        low, high = np.quantile(draws["AUC"], [0.05, 0.95])
        measured = f"nine cohorts in ten measure {low:.2f} to {high:.2f}"
        if low == high:
            measured = f"this cohort measures {low:.2f}"
        return (
            f"External cohort of {p.n_external} with {percent(p.prevalence)} patients, whose scanner "
            f"adds {p.scanner_shift:g} standard deviations. Sensitivity and specificity at the internal "
            f"threshold, if the cohort is scaled: {got}. Inside both were {draws['inside'].mean():.2f}. "
            f"The AUC is the same for all three; {measured}."
        )

    def head(p, draws):
        a, b, c = draws["sensitivity"].mean(axis=0)
        return (
            f"Sensitivity: inside {draws['inside'].mean():.2f}; outside {a:.2f}, {b:.2f} or {c:.2f}, as it "
            "is scaled."
        )


# Prevalence

AT_THE_CUT = ("AUC", "sensitivity", "specificity", "positive predictive value", "negative predictive value")


def moved_by_prevalence(outcome) -> list[Chart]:
    """What changes with the share of patients and what does not, beside the calibration curve."""
    draws, top = outcome.draws, {"y": {"value": 0}}
    layers, data = _cohorts("outside", draws["outside"])
    data["inside"] = table(x=draws["inside"].mean(axis=0), y=np.arange(5)[::-1])
    ring = {"size": 260, "strokeWidth": 3, "opacity": 1, "encoding": {"tooltip": tips(inside="x|.2f")}}
    layers.append(layer("point", "inside", "reported", **ring))
    for name, words, place in (("inside", "○ inside", 0), ("outside", "● outside (nine in ten)", 66)):
        data[f"{name} word"] = {"text": [words]}
        shade, at = "true" if place else "reported", {"x": {"value": place}} | top
        layers.append(layer("text", f"{name} word", shade, align="left", dy=-12, encoding=at))
    names = [name.replace("tive pre", "tive\npre") for name in AT_THE_CUT]
    # A second line hangs below: the first one stands half a line higher.
    at = np.arange(5)[::-1] + [0.12 * name.count("\n") for name in names]
    y = axis(ends=(-0.4, 4.6), at=at, words=names, line=False)
    x = axis("Inside, and in the external cohort", at=np.arange(0, 1.1, 0.2), form=".1f")
    return [chart(layers, data, x, y, share=1.25), _calibration(draws, outcome.parameters)]


def _calibration(draws, moved) -> Chart:
    """Predicted risk and share of patients, in tenths of the cohort by predicted risk."""
    at, observed = (draws[name].mean(axis=0) for name in ("predicted", "observed"))
    low, high = np.quantile(draws["observed"], [0.05, 0.95], axis=0)
    said = [f"intercept {draws['intercept'].mean():+.2f}", f"slope {draws['slope'].mean():.2f}"]
    # The words stand where the curve is not.
    place = (0.72, 0.14) if observed.mean() > at.mean() else (0.28, 0.92)
    data = {
        "calibrated": {"x": [0, 1], "y": [0, 1]},
        "calibrated word": {"x": [1], "text": ["as predicted"]},
        "tenths": table(x=at, y=observed, low=low, high=high),
        "tenths before": {"x": []},
        "threshold": {"x": [moved["threshold"]], "text": ["··· threshold"]},
        "prevalence": {"y": [moved["prevalence_outside"]]},
        "numbers": {"x": [place[0]], "y": [place[1]], "text": [[one.replace("-", "−") for one in said]]},
    }
    hover = {"tooltip": tips(predicted="x|.0%", observed="y|.0%")}
    words, corner = {"fontWeight": "bold", "lineHeight": 16}, {"x": {"value": 0}, "y": {"value": 0}}
    threshold, at_threshold = handle("threshold", moved["threshold"])
    prevalence, at_prevalence = handle("prevalence_outside", moved["prevalence_outside"], level=True)
    layers = [
        layer("line", "calibrated", "reported", strokeDash=DASHED, strokeWidth=2),
        layer("text", "calibrated word", "reported", align="right", dy=-12, encoding={"y": {"value": 0}}),
        layer("area", "tenths", "true", opacity=0.25, encoding={"y": "low", "y2": "high"}),
        layer("line", "tenths before", "before", strokeDash=DOTTED, strokeWidth=1.5),
        layer("line", "tenths", "true", strokeWidth=3),
        layer("upright", "threshold", "chance", strokeDash=DOTTED, strokeWidth=2),
        layer("level", "prevalence", "chance", strokeWidth=1),
        layer("circle", "tenths", "true", size=60, opacity=1, encoding=hover),
        *prevalence,
        *threshold,
        layer("text", "threshold", "chance", align="left", dy=-12, encoding=corner),
        layer("halo", "numbers", **words),
        layer("text", "numbers", "true", **words),
    ]
    ends = {"at": np.arange(0, 1.1, 0.25), "form": ".0%"}
    x, y = (axis(label, **ends) for label in ("Predicted risk", "Share of patients"))
    return chart(layers, data | at_threshold | at_prevalence, x, y)


STEEPEST = 10.0


def _enough(prevalence) -> int:
    """Subjects with 8 patients and 8 controls among them."""
    return int(np.ceil(8 / min(prevalence, 1 - prevalence)))


def _logistic(log_odds, labels):
    """Calibration intercept (slope held at 1) and slope of every study, by Newton's method.

    The likelihood is concave. Where the classes are apart the slope has no end: it is given as STEEPEST.
    """
    offset = np.zeros((len(log_odds), 1))
    for _ in range(25):
        p = expit(np.clip(offset + log_odds, -30, 30))
        step = (labels - p).sum(axis=1, keepdims=True) / (p * (1 - p)).sum(axis=1, keepdims=True)
        offset += np.clip(step, -2, 2)
    a, b = offset.copy(), np.ones_like(offset)
    for _ in range(40):
        p = expit(np.clip(a + b * log_odds, -30, 30))
        w, left = p * (1 - p) + 1e-12, labels - p
        w0, w1, w2 = ((w * log_odds**k).sum(axis=1, keepdims=True) for k in range(3))
        g0, g1 = ((left * log_odds**k).sum(axis=1, keepdims=True) for k in range(2))
        steps = np.stack([w2 * g0 - w1 * g1, w0 * g1 - w1 * g0]) / (w0 * w2 - w1**2 + 1e-12)
        # Far from the maximum a full step would go beyond it: the direction is kept, the length is not.
        steps /= np.maximum(np.abs(steps).max(axis=0), 1)
        a, b = a + steps[0], b + steps[1]
    apart = log_odds[:, labels == 1].min(axis=1) > log_odds[:, labels == 0].max(axis=1)
    return offset[:, 0], np.where(apart, STEEPEST, np.minimum(b[:, 0], STEEPEST))


@simulation(block=20, draw=moved_by_prevalence)
class prevalence_shift:
    """A perfectly calibrated model meets a cohort in which the disease is rarer or more frequent.

    One normal feature, the same in patients inside and outside, the same in controls: only the share of
    patients changes. The model gives the true risk of the inside world, and calls a patient whom it gives
    `threshold` or more. Draws: "outside" (measured in one external cohort each) and "inside" (exact), one for
    each of AT_THE_CUT; "intercept" (with the slope held at 1) and "slope" (at most 10) of a logistic
    regression of the diagnosis on the log odds of the predicted risk; "predicted" and "observed": mean risk
    and share of patients in tenths of the cohort, by predicted risk.

    Theory: with endless subjects the intercept is logit(outside) - logit(inside), the slope 1, and the AUC,
    the sensitivity and the specificity are those of inside.
    """

    prevalence_inside = Number(0.683, 0.02, 0.98, label="Patients inside", unit="%", at=[0.2, 0.5, 0.683])
    prevalence_outside = Number(
        0.2, 0.02, 0.98, label="Patients outside", unit="%", at=[0.05, 0.1, 0.2, 0.3, 0.5, 0.683, 0.8, 0.9]
    )
    n_external = Whole(
        400,
        ("enough for 8 patients and 8 controls", lambda p: _enough(p.prevalence_outside)),
        label="Subjects in the external cohort",
        at=[200, 400, 1000],
    )
    effect = Number(1.5, 0, open="low", label="True effect", unit=SD, at=[1, 1.5, 2, 3])
    threshold = Number(0.5, 0.01, 0.99, label="Called ill from a risk of", unit="%", at=np.arange(1, 10) / 10)

    def recruit(p, rng, repeats):
        labels = (np.arange(p.n_external) < round(p.n_external * p.prevalence_outside)).astype(int)
        return Studies({"x": rng.standard_normal((repeats, p.n_external)) + p.effect * labels}, labels=labels)

    def one(p, study):
        y, log_odds = study.labels, p.effect * (study.x - p.effect / 2) + logit(p.prevalence_inside)
        called = (log_odds > logit(p.threshold)).astype(int)
        outside = [roc_auc_score(y, log_odds), recall_score(y, called), recall_score(y, called, pos_label=0)]
        # Where nobody is called ill (or well) there is nothing to be right about: half, as a coin.
        outside += [precision_score(y, called, pos_label=a) if a in called else 0.5 for a in (1, 0)]
        # Calibration in the large: the shift of all log odds with which the mean risk is the share of
        # patients.
        intercept = brentq(lambda shift: expit(log_odds + shift).mean() - y.mean(), -50, 50, xtol=1e-12)
        model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10).fit(log_odds[:, None], y)
        apart = log_odds[y == 1].min() > log_odds[y == 0].max()
        slope = np.inf if apart else model.coef_[0, 0]
        tenths = np.array_split(np.argsort(log_odds), 10)
        return {
            "inside": _inside(p),
            "outside": outside,
            "intercept": intercept,
            "slope": min(slope, STEEPEST),
            "predicted": [expit(log_odds[tenth]).mean() for tenth in tenths],
            "observed": [y[tenth].mean() for tenth in tenths],
        }

    def analyse(p, s):
        ill, n = s.labels == 1, len(s.labels)
        log_odds = p.effect * (s.x - p.effect / 2) + logit(p.prevalence_inside)
        called = log_odds > logit(p.threshold)
        rates = called[:, ill].mean(axis=1), 1 - called[:, ~ill].mean(axis=1)
        shares = []
        for group, right in ((called, ill), (~called, ~ill)):
            count, half = group.sum(axis=1), np.full(len(s.x), 0.5)
            shares.append(np.divide((group & right).sum(axis=1), count, out=half, where=count > 0))
        intercept, slope = _logistic(log_odds, s.labels)
        order, tenths = log_odds.argsort(axis=1), np.array_split(np.arange(n), 10)
        risk, y = np.take_along_axis(expit(log_odds), order, axis=1), s.labels[order]
        return {
            "inside": np.tile(_inside(p), (len(s.x), 1)),
            "outside": np.stack([batched.auc(s.x, s.labels), *rates, *shares], axis=-1),
            "intercept": intercept,
            "slope": slope,
            "predicted": np.stack([risk[:, tenth].mean(axis=1) for tenth in tenths], axis=1),
            "observed": np.stack([y[:, tenth].mean(axis=1) for tenth in tenths], axis=1),
        }

    def read(p, draws):
        means = (draws[name].mean(axis=0) for name in ("inside", "outside"))
        moved = ", ".join(f"{name} {a:.2f} to {b:.2f}" for name, a, b in zip(AT_THE_CUT, *means, strict=True))
        low, high = np.quantile(draws["intercept"], [0.05, 0.95])
        return (
            f"{percent(p.prevalence_inside)} patients inside, {percent(p.prevalence_outside)} outside, "
            f"called ill from a risk of {percent(p.threshold)}: {moved}. Calibration intercept "
            f"{draws['intercept'].mean():+.2f} (nine cohorts in ten {low:+.2f} to "
            f"{high:+.2f}), slope {draws['slope'].mean():.2f}."
        )

    def head(p, draws):
        inside, outside = (draws[name].mean(axis=0) for name in ("inside", "outside"))
        return (
            f"Positive predictive value: inside {inside[3]:.2f}, outside {outside[3]:.2f}. AUC: "
            f"{inside[0]:.2f} and {outside[0]:.2f}."
        )


def _inside(p):
    """AUC, sensitivity, specificity and predictive values where the model was made, exact."""
    # Of the measure: where the risk is the threshold.
    cut = p.effect / 2 + (logit(p.threshold) - logit(p.prevalence_inside)) / p.effect
    sensitivity, specificity = norm.sf(cut - p.effect), norm.cdf(cut)
    ill, well = p.prevalence_inside, 1 - p.prevalence_inside
    found, cleared = ill * sensitivity, well * specificity
    called = found + well * (1 - specificity)
    shares = [
        right / all_of if all_of > 0 else 0.5 for right, all_of in ((found, called), (cleared, 1 - called))
    ]
    return [norm.cdf(p.effect / np.sqrt(2)), sensitivity, specificity, *shares]
