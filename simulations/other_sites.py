"""Lesson 06: the site as a shortcut, harmonisation, and the number of sites."""

import functools
from math import lcm

import numpy as np
from scipy import stats
from scipy.special import ndtr
from scipy.stats import norm
from sklearn.linear_model import LinearRegression, RidgeClassifier
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import LeaveOneGroupOut, PredefinedSplit, cross_val_predict

from utils import batched
from utils.drawing import Chart, curves, ridges
from utils.simulation import (
    Among,
    Number,
    Several,
    Studies,
    Whole,
    counted,
    exact_accuracy,
    linear_rule,
    simulation,
)

SD = "standard deviations"
OVER = "over many simulated studies"
EVALUATIONS = {
    "reported": ("the study reports\n(sites mixed)", "reported"),
    "within site": ("the same scores,\nwithin a site", "honest"),
    "site left out": ("leaving one\nsite out", "honest"),
    "true": ("a new site\nreally gets", "true"),
}


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


@simulation(
    block=20,
    draw=functools.partial(ridges, rows=EVALUATIONS, label=f"AUC, {OVER}", ceiling="best possible"),
)
class site_shortcut:
    """Two sites that differ in their scanners and in their share of patients: the model learns the site.

    One feature carries the disease. Ten further features do not, but each site adds its own offset to them.
    The rule is least squares on the labels; a new site has an offset of its own, which moves all of its
    scores alike and so leaves its AUC as it is. Draws: AUC, "reported" (mean over 5 folds, sites mixed),
    "within site" (the same held-out scores, compared within a site and fold only), "site left out" (trained
    at one site, tested at the other), "true" (at a new site, exact) and "ceiling" (the feature with the
    disease alone).

    A design made for this course. Zech and others (2018), PLoS Medicine 15:e1002683,
    doi:10.1371/journal.pmed.1002683, show it with chest radiographs.
    """

    prevalence = Number(
        0.8,
        0.1,
        0.9,
        label="Patients at the first site (the second has the rest)",
        unit="%",
        at=np.arange(0.5, 0.95, 0.1),
    )
    site_mark = Number(
        3.16, 0, label="Distance of the two scanners", unit=SD, at=np.arange(0, 5.1, 0.5), start=3
    )
    effect = Number(0.5, label="True effect of the disease", unit=SD, at=np.arange(0, 2.1, 0.25))
    n_per_site = Whole(200, 50, of=50, reach=3, label="Subjects at each site", at=[50, 100, 200])

    def recruit(p, rng, repeats):
        n, patients = p.n_per_site, 5 * round(p.n_per_site * p.prevalence / 5)
        site = np.repeat([0, 1], n)
        labels = np.r_[np.arange(n) < patients, np.arange(n) >= patients].astype(int)
        X = rng.standard_normal((repeats, 2 * n, 11))
        X[..., 0] += p.effect * labels
        X[..., 1:] += p.site_mark * (site[:, None] - 0.5) / np.sqrt(10)
        # Rows of one site and label follow each other, and their numbers are multiples of 5: dealt out in
        # turn, they give folds of one size with the same share of each.
        return Studies({"X": X}, site=site, labels=labels, folds=np.arange(2 * n) % 5)

    def one(p, study):
        X, y, site, folds = study.X, study.labels, study.site, study.folds
        model = LinearRegression()  # on the labels
        held_out = cross_val_predict(model, X, y, cv=PredefinedSplit(folds))
        reported = [roc_auc_score(y[folds == f], held_out[folds == f]) for f in range(5)]
        rows = [(folds == f) & (site == s) for f in range(5) for s in (0, 1)]
        within = [roc_auc_score(y[some], held_out[some]) for some in rows]
        left_out = []
        for s in (0, 1):
            model.fit(X[site != s], y[site != s])
            left_out.append(roc_auc_score(y[site == s], model.predict(X[site == s])))
        weights = model.fit(X, y).coef_
        return {
            "reported": np.mean(reported),
            "within site": np.mean(within),
            "site left out": np.mean(left_out),
            "true": norm.cdf(weights[0] * p.effect / np.sqrt(2) / np.linalg.norm(weights)),
            "ceiling": norm.cdf(abs(p.effect) / np.sqrt(2)),
        }

    def analyse(p, s):
        targets, tests = 2.0 * s.labels - 1, np.arange(len(s.labels)).reshape(-1, 5).T
        held_out, weights, _ = batched.cross_validated_rule(s.X, targets, tests)
        reported = [batched.auc(held_out[:, f], s.labels[tests[f]]) for f in range(5)]
        within = [
            batched.auc(
                held_out[:, f][:, s.site[tests[f]] == one], s.labels[tests[f]][s.site[tests[f]] == one]
            )
            for f in range(5)
            for one in (0, 1)
        ]
        left_out = []
        for one in (0, 1):
            rule, _ = batched.linear_rule(s.X[:, s.site != one], targets[s.site != one])
            scores = (s.X[:, s.site == one] @ rule[..., None])[..., 0]
            left_out.append(batched.auc(scores, s.labels[s.site == one]))
        return {
            "reported": np.mean(reported, axis=0),
            "within site": np.mean(within, axis=0),
            "site left out": np.mean(left_out, axis=0),
            "true": ndtr(weights[:, 0] * p.effect / np.sqrt(2) / np.linalg.norm(weights, axis=1)),
            "ceiling": np.full(len(s.X), ndtr(abs(p.effect) / np.sqrt(2))),
        }

    def read(p, draws):
        got = {name: f"{values.mean():.2f}" for name, values in draws.items()}
        return (
            f"{percent(p.prevalence)} patients at one site and {percent(1 - p.prevalence)} at the other: "
            f"the study reports an AUC of {got['reported']}; at a new site its model gets {got['true']}. The "
            f"same scores give {got['within site']} within a site, leaving one site out gives "
            f"{got['site left out']}, and the best possible is {got['ceiling']}."
        )


# Harmonisation

HARMONISATIONS = (
    "no harmonisation",
    "outside the folds",
    "outside, diagnosis protected",
    "inside the folds",
    "inside, diagnosis protected",
)


class Harmonise:
    """Makes sites alike in mean and standard deviation: ComBat without its empirical Bayes step.

    With `protect`, the sites' means and standard deviations are estimated in a regression that also holds the
    diagnosis, and its effect is left in.
    """

    def __init__(self, protect):
        self.protect = protect

    def fit(self, X, site, y):
        names = np.unique(site)
        design = (site[:, None] == names).astype(float)
        if self.protect:
            design = np.column_stack([design, y])
        model = LinearRegression(fit_intercept=False).fit(design, X)
        left = X - model.predict(design)
        self.means = model.coef_[:, : len(names)].T
        self.sds = np.array([np.sqrt(np.mean(left[site == s] ** 2, axis=0)) for s in names])
        self.kept = model.coef_[:, -1] if self.protect else np.zeros(X.shape[1])
        return self

    def transform(self, X, site, y=None):
        """With the diagnosis, its effect is left in; without, nothing is known of it."""
        kept = 0 if y is None else y[:, None] * self.kept
        return (X - self.means[site] - kept) / self.sds[site] + kept


class _Sites:
    """`Harmonise` for a stack of studies: fitted to all (set 0) and to the training set of each fold."""

    def __init__(self, p, s):
        n = np.arange(p.n_subjects)
        self.site, self.labels = s.site, s.labels
        self.seen = np.vstack([np.ones(p.n_subjects, bool), [~np.isin(n, test) for test in s.tests]])
        # From sums over the patients and the controls of each site, for all sets at once.
        self.group = np.arange(2 * p.n_sites)
        own = 2 * s.site + s.labels == self.group[:, None]
        members = (self.seen[:, None] & own).astype(float)
        self.size = members.sum(axis=-1)
        self.sums, self.squares = (members @ table[:, None] for table in (s.X, np.square(s.X)))

    def fit(self, protect):
        """Means and standard deviations, shape (repeats, 6, sites, features), and the effect that is kept."""
        n_sites, size = len(self.group) // 2, self.size[..., None]
        design = [self.group // 2 == site for site in range(n_sites)] + [self.group % 2] * protect
        design = np.array(design, float)
        turned = np.linalg.pinv(design * self.size[:, None] @ design.T, hermitian=True)
        B = turned @ (design @ self.sums)
        expected, sites = design.T @ B, design[:n_sites]
        rest = sites @ (self.squares + (size * expected - 2 * self.sums) * expected)
        at_site = sites @ size
        # A site of which one subject is left has no spread: it is only shifted.
        sds = np.where(at_site > 1, np.sqrt(np.maximum(rest, 1e-18) / np.maximum(at_site, 1)), 1)
        return B[:, :, :n_sites], sds, B[:, :, n_sites:]

    def transform(self, X, fit, number):
        """All rows as the training rows of a set say; these keep the diagnosis' effect, others have none."""
        means, sds, kept = (part[:, number].astype(X.dtype) for part in fit)
        table = X - means[:, self.site]
        table *= (1 / sds)[:, self.site]
        if kept.size:
            effect = (self.labels * self.seen[number]).astype(X.dtype)[:, None] * kept
            table += effect - effect / sds[:, self.site]
        return table


def _true_within_site(weights, effect):
    """AUC of linear rules among subjects of one site: (..., sites) of weights (..., sites, features)."""
    return ndtr(weights[..., 0] * effect / np.sqrt(2) / np.linalg.norm(weights, axis=-1))


def _table_of_methods(outcome) -> list[Chart]:
    label = f"{outcome.parameters['score']}, {OVER}"
    rows = {name: (name.replace(", ", ",\n"), "reported") for name in HARMONISATIONS}
    rows["inside the folds"] = ("inside the folds", "honest")
    return ridges(outcome, rows=rows, label=label, truth="really, within a site")


@simulation(block=5, draw=_table_of_methods)
class harmonised_sites:
    """Site effects removed before cross-validation or inside its folds, blind or protecting the diagnosis.

    Harmonisation is the core of ComBat without its empirical Bayes step. Inside the folds the estimates come
    from the training rows, and a test row is transformed without its diagnosis. The rule is ridge regression
    on the labels, in five folds, stratified by diagnosis and dealt at random. Diagnoses and folds are drawn
    anew for every block of studies. Draws, one for each of HARMONISATIONS: "reported" (cross-validated; AUC:
    mean over the folds) and "true" (AUC of the final model among new subjects of one of the same sites, where
    the site gives nothing away; exact, mean over sites).

    Johnson, Li, Rabinovic (2007), Biostatistics 8:118, doi:10.1093/biostatistics/kxj037 (ComBat). Nygaard,
    Rodland, Hovig (2016), Biostatistics 17:29, doi:10.1093/biostatistics/kxv027, on protecting the groups.
    Snoek, Miletic, Scholte (2019), NeuroImage 184:741, doi:10.1016/j.neuroimage.2018.09.074, on scores below
    chance.
    """

    n_sites = Whole(3, 2, reach=3, doc="Sites, of one size.")
    n_subjects = Whole(
        60,
        ("60 and ten for every site", lambda p: max(60, 10 * p.n_sites)),
        of=("5 and of the number of sites", lambda p: lcm(5, p.n_sites)),
        reach=3,
        label="Subjects",
        at=[60, 120, 300, 1200],
    )
    imbalance = Number(
        0.3,
        0,
        0.4,
        label="Imbalance of the sites (share of patients: 50 % minus and plus)",
        unit="%",
        at=np.arange(0, 0.45, 0.1),
    )
    site_mark = Number(
        0.0,
        0,
        label="Distance of the scanners, in every feature",
        unit=SD,
        at=np.arange(0, 1.1, 0.25),
        start=0.5,
    )
    effect = Number(0.0, label="True effect of the disease", unit=SD, at=np.arange(0, 2.1, 0.5))
    n_features = Whole(100, 1)
    ridge = Number(10.0, 0, open="low", doc="Penalty.")
    score = Among("AUC", "accuracy", doc="What is reported.")

    def recruit(p, rng, repeats):
        site = np.repeat(np.arange(p.n_sites), p.n_subjects // p.n_sites)
        chance = np.linspace(0.5 - p.imbalance, 0.5 + p.imbalance, p.n_sites)
        # Five patients and five controls at least, or a fold would hold one class only.
        labels = np.zeros(p.n_subjects, int)
        while not 5 <= labels.sum() <= p.n_subjects - 5:
            labels = (rng.random(p.n_subjects) < chance[site]).astype(int)
        tests = np.lexsort((rng.random(p.n_subjects), labels)).reshape(-1, 5).T
        X = rng.standard_normal((repeats, p.n_subjects, p.n_features))
        X[..., 0] += p.effect * labels
        X += (p.site_mark * rng.standard_normal((repeats, p.n_sites, p.n_features)))[:, site]
        return Studies({"X": X}, site=site, labels=labels, tests=tests)

    def one(p, study):
        X, y, site, draws = study.X, study.labels, study.site, {"reported": [], "true": []}
        model = RidgeClassifier(alpha=p.ridge)
        for name in HARMONISATIONS:
            everyone = Harmonise("protected" in name).fit(X, site, y)
            table = X if name == "no harmonisation" else everyone.transform(X, site, y)
            scores = []
            for test in study.tests:
                train = np.setdiff1d(np.arange(len(y)), test)
                learnt, asked = table[train], table[test]
                if name.startswith("inside"):
                    inside = Harmonise("protected" in name).fit(X[train], site[train], y[train])
                    learnt = inside.transform(X[train], site[train], y[train])
                    asked = inside.transform(X[test], site[test])
                output = model.fit(learnt, y[train]).decision_function(asked)
                of_fold = roc_auc_score(y[test], output)
                scores.append(of_fold if p.score == "AUC" else accuracy_score(y[test], output > 0))
            draws["reported"].append(np.mean(scores))
            # A new subject is scaled by the standard deviations of its site.
            weights = np.ravel(model.fit(table, y).coef_)
            at_site = [weights] if name == "no harmonisation" else weights / everyone.sds
            within = [norm.cdf(w[0] * p.effect / np.sqrt(2) / np.linalg.norm(w)) for w in at_site]
            draws["true"].append(np.mean(within))
        return draws

    def analyse(p, s):
        targets, sites = 2.0 * s.labels - 1, _Sites(p, s)
        # Single precision is quicker, and exact enough, but for models that rest on a tiny penalty alone.
        X = s.X.astype(np.float32) if p.ridge >= 1 else s.X
        fits, found = {"blind": sites.fit(False), "protected": sites.fit(True)}, {}

        def scored(held_out):
            right = s.labels[s.tests]
            if p.score == "accuracy":
                return ((held_out > 0) == right).mean(axis=(1, 2))
            return np.mean([batched.auc(held_out[:, fold], right[fold]) for fold in range(5)], axis=0)

        for name in HARMONISATIONS[:3]:
            fit = fits["protected" if "protected" in name else "blind"]
            table, sds = (
                (X, 1.0) if name == "no harmonisation" else (sites.transform(X, fit, 0), fit[1][:, 0])
            )
            held_out, weights, _ = batched.cross_validated_rule(table, targets, s.tests, p.ridge)
            true = _true_within_site(weights[:, None] / sds, p.effect).mean(axis=1)
            found[name] = scored(held_out), true
        for name in HARMONISATIONS[3:]:
            fit, held_out = fits["protected" if "protected" in name else "blind"], []
            for number, test in enumerate(s.tests, 1):
                table, train = sites.transform(X, fit, number), sites.seen[number]
                weights, intercepts = batched.linear_rule(table[:, train], targets[train], p.ridge)
                held_out.append((table[:, test] @ weights[..., None])[..., 0] + intercepts[:, None])
            same = found[name.replace("inside", "outside")][1]  # the same final model
            found[name] = scored(np.stack(held_out, axis=1)), same
        reported, true = (np.stack([found[name][part] for name in HARMONISATIONS], axis=1) for part in (0, 1))
        return {"reported": reported, "true": true}

    def read(p, draws):
        sites = f"as many patients as controls at each of {p.n_sites} sites"
        if p.imbalance:
            ends = f"{100 * (0.5 - p.imbalance):.0f} to {percent(0.5 + p.imbalance)}"
            sites = f"{ends} patients at the {p.n_sites} sites"
        rows = zip(HARMONISATIONS, *(draws[name].mean(axis=0) for name in ("reported", "true")), strict=True)
        got = "; ".join(f"{name} {r:.2f} (within a site really {t:.2f})" for name, r, t in rows)
        return f"{p.n_subjects} subjects, {sites}. Reported {p.score}: {got}."

    def head(p, draws):
        reported, true = (draws[name].mean(axis=0) for name in ("reported", "true"))
        return (
            f"Harmonised outside the folds: reported {reported[1]:.2f}, within a site really {true[1]:.2f}. "
            f"Inside: {reported[3]:.2f} and {true[3]:.2f}."
        )


# The number of sites

_SITES = functools.partial(
    curves,
    along="site_counts",
    label="Sites, with the same number of subjects in all",
    words={
        "reported": "reported\n(sites mixed)",
        "honest": "one site\nleft out",
        "true": "new sites,\non average",
        "external": "band: one\nnew site,\nmeasured",
    },
    band="external",
    ends=(0.4, 0.95),
)


@simulation(block=4, draw=_SITES)
class sites_of_a_consortium:
    """The same number of subjects from one site or many: what the study reports, and what a new site gets.

    Two normal classes of equal size at every site. The disease does not look quite the same everywhere: every
    site's difference between the classes is the common one plus noise. The rule is least squares on the
    pooled subjects. Draws, one for each number of sites: accuracies "reported" (5-fold cross-validation of
    the pooled subjects), "true" (mean over new sites, exact), "external" (one new site, with `n_external`
    subjects), and "honest" (leaving one site out in turn), for the numbers of sites above 1.

    A design made for this course.
    """

    site_counts = Several(Whole(1, 1, reach=3), (1, 2, 5, 10, 20, 40), rising=True, doc="Numbers of sites.")
    n_subjects = Whole(
        400,
        40,
        of=("10 and of twice every number of sites", lambda p: lcm(10, *(2 * k for k in p.site_counts))),
        reach=2,
        label="Subjects in all",
        at=[400, 800, 1200],
    )
    heterogeneity = Number(
        0.25,
        0,
        label="Differences between sites, in every feature",
        unit=SD,
        at=np.arange(0, 0.51, 0.05),
        doc="Standard deviation of the site's own part of the difference; 0: all sites alike.",
    )
    n_external = Whole(100, 2, of=2, label="Subjects of the one external site", at=[40, 100, 400])
    effect = Number(1.2, label="Common effect of the disease", unit=SD, at=np.arange(0.4, 2.1, 0.4))
    n_features = Whole(
        20, 1, ("fewer than half of the subjects", lambda p: p.n_subjects // 2 - 3), reach=8, doc="Features."
    )
    n_informative = Whole(
        5, 1, ("the number of features", lambda p: p.n_features), doc="Features that share the effect."
    )
    n_new_sites = Whole(10, 1)

    def recruit(p, rng, repeats):
        common = np.zeros(p.n_features)
        common[: p.n_informative] = p.effect / np.sqrt(p.n_informative)

        def own_effects(k):
            return common + p.heterogeneity * rng.standard_normal((repeats, k, p.n_features))

        drawn = {
            "noise": rng.standard_normal((repeats, p.n_subjects, p.n_features)),
            "new": own_effects(p.n_new_sites),
            "luck": rng.standard_normal(repeats),
        }
        # Every second subject of a site is a patient, and so is every second one of those dealt out in turn.
        return Studies(
            drawn | {f"effects of {k}": own_effects(k) for k in p.site_counts},
            labels=np.arange(p.n_subjects) % 2,
            folds=np.arange(p.n_subjects) % 5,
        )

    def one(p, study):
        y, model = study.labels, LinearRegression()
        draws = {"reported": [], "honest": [], "true": [], "external": []}
        for k in p.site_counts:
            site = np.arange(p.n_subjects) // (p.n_subjects // k)
            X = study.noise + getattr(study, f"effects of {k}")[site] * (y[:, None] - 0.5)
            held_out = cross_val_predict(model, X, 2 * y - 1, cv=PredefinedSplit(study.folds))
            draws["reported"].append(accuracy_score(y, held_out > 0))
            if k > 1:  # one site alone cannot be left out
                held_out = cross_val_predict(model, X, 2 * y - 1, groups=site, cv=LeaveOneGroupOut())
                draws["honest"].append(accuracy_score(y, held_out > 0))
            rule = linear_rule(model.fit(X, 2 * y - 1))
            new_sites = [exact_accuracy(*rule, np.array([-shift / 2, shift / 2])) for shift in study.new]
            draws["true"].append(np.mean(new_sites))
            # What the subjects of one new site get right is binomial; the same luck for every k.
            right = stats.binom.ppf(norm.cdf(study.luck), p.n_external, new_sites[0])
            draws["external"].append(right / p.n_external)
        return {name: values for name, values in draws.items() if values}

    def analyse(p, s):
        targets = 2.0 * s.labels - 1
        draws = {"reported": [], "honest": [], "true": [], "external": []}
        for k in p.site_counts:
            site = np.arange(p.n_subjects) // (p.n_subjects // k)
            X = getattr(s, f"effects of {k}")[:, site]
            X *= s.labels[:, None] - 0.5
            X += s.noise
            tests = {"reported": np.arange(p.n_subjects).reshape(-1, 5).T}
            if k > 1:
                tests["honest"] = np.arange(p.n_subjects).reshape(k, -1)
            held_out, weights, intercepts = batched.rule_from_sums(X, targets, *tests.values())
            for (name, rows), scores in zip(tests.items(), held_out, strict=True):
                draws[name].append(((scores > 0) == s.labels[rows]).mean(axis=(1, 2)))
            length = np.linalg.norm(weights, axis=1)[:, None]
            half = np.einsum("rp,rkp->rk", weights, s.new) / 2
            right = sum(ndtr((half + side * intercepts[:, None]) / length) for side in (1, -1)) / 2
            draws["true"].append(right.mean(axis=1))
            draws["external"].append(right[:, 0])
        draws = {name: np.stack(values, axis=1) for name, values in draws.items() if values}
        right = stats.binom.ppf(ndtr(s.luck)[:, None], p.n_external, draws["external"])
        return draws | {"external": right / p.n_external}

    def read(p, draws):
        reported, true = draws["reported"].mean(axis=0), draws["true"].mean(axis=0)
        low, high = np.quantile(draws["external"][:, -1], [0.05, 0.95])
        first, last = (counted(p.site_counts[end], "site") for end in (0, -1))
        span = f"{low:.2f} to {high:.2f}, nine times in ten" if len(draws["true"]) > 1 else f"{low:.2f}"
        return (
            f"{p.n_subjects} subjects in all. From {first}: the study reports {reported[0]:.2f} and a new "
            f"site gets {true[0]:.2f}. From {last}: reports {reported[-1]:.2f}, new site {true[-1]:.2f}. One "
            f"external site of {p.n_external} subjects measures {span}."
        )

    def head(p, draws):
        got = (draws[name].mean(axis=0)[[0, -1]] for name in ("reported", "true"))
        parts = zip((p.site_counts[0], p.site_counts[-1]), *got, strict=True)
        return " ".join(
            f"From {counted(k, 'site')}: reported {reported:.2f}, at a new site {true:.2f}."
            for k, reported, true in parts
        )
