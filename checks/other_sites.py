"""The checks of exercise 06: every site left out, one more site, a confound taken out inside the folds."""

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm, t

from checks.judge import NotYet, Row, Table, check, numbers, reader, score
from checks.mistakes import mistakes

# Task 1: every site left out


def collection(rng, effects, *, n=100, columns=None, one_class=()):
    """X, y, site: one site per effect, half of its people patients.

    `columns` says where a site carries its effect; the sites in `one_class` have controls only.
    """
    k = len(effects)
    place, y = np.repeat(np.arange(k), n), np.tile(np.arange(n) % 2, k)
    y[np.isin(place, one_class)] = 0
    X = rng.standard_normal((k * n, 4))
    column = np.zeros(k, int) if columns is None else np.asarray(columns)
    X[np.arange(k * n), column[place]] += np.asarray(effects)[place] * (y - 0.5)
    names = np.array([f"site {letter}" for letter in "KDAHCB"[:k]])
    rows = rng.permutation(k * n)
    return X[rows], y[rows], names[place[rows]]


@reader("dict from the name of a site to its AUC")
def by_site(value) -> dict[str, float]:
    try:
        found = {str(name): float(number) for name, number in dict(value).items()}
    except (TypeError, ValueError):
        raise NotYet(
            f"The function returns a value of type {type(value).__name__}. → Return a dict from the name "
            "of a site to its AUC, such as {'site A': 0.81}."
        ) from None
    if wrong := [f"{name}: {number:.4g}" for name, number in found.items() if number < 0 or number > 1]:
        raise NotYet(f"{wrong[0]} is no AUC. → Every AUC lies between 0 and 1.")
    return {name: number for name, number in found.items() if np.isfinite(number)}  # NaN: left out as well


def _sites(learner, data):
    """The AUCs in the order of the sites with both classes, and their names."""
    X, y, site = data
    names = [name for name in dict.fromkeys(site) if len(set(y[site == name])) == 2]
    found = learner(X, y, site)
    if missing := sorted(set(names) - set(found)):
        raise NotYet(f"There is no AUC of {missing[0]}. → Give one for every site that has both classes.")
    if extra := sorted(set(found) - set(names)):
        told = f"{extra[0]} has an AUC of {found[extra[0]]:.2f}"
        if extra[0] in set(site):
            raise NotYet(
                f"{told}, but all of its people are controls. → Leave it out: there is no pair to rank."
            )
        raise NotYet(f"{told}, and there is no such site. → The names are those in `site`.")
    order = sorted(names)
    return np.array([found[name] for name in order]), order


def _answers(learner, draw, first, effects, **more):
    """The AUCs of three collections, one row each, in the order of the effects."""
    letters = [f"site {letter}" for letter in "KDAHCB"[: len(effects)]]
    rows = []
    for i in range(3):
        found, order = _sites(learner, collection(draw(first + i), effects, **more))
        rows.append([found[order.index(name)] for name in letters])
    return np.array(rows)


@check("X", "y", "site", read=by_site)
def auc_by_site(learner, draw):
    """``auc_by_site(X, y, site)``: the AUC of each site by a model that was trained at all the others."""
    _sites(learner, collection(draw(0), (2, 2, 2, 2), one_class=(1,)))
    learner.right.append("Every site with both classes has an AUC, and no other.")
    clear = norm.cdf(1.5 / np.sqrt(2))
    same = _answers(learner, draw, 10, (1.5,) * 5)
    if np.ptp(same, axis=1).max() < 1e-9:
        raise NotYet("All sites get the same number. → Compare patients and controls within each site.")
    if same.mean() < 0.3:
        raise NotYet(
            f"Where the disease is clear and the same everywhere, the mean AUC is {same.mean():.2f}: turned "
            "round. → A high score must mean y = 1."
        )
    mark = ("possible", clear)
    learner.rows.append(
        Row("the same disease everywhere", tuple(same.mean(axis=0)), same.mean() >= 0.8, mark)
    )
    if same.mean() < 0.8:
        raise NotYet(
            f"Where the disease is clear and the same everywhere, the mean AUC is {same.mean():.2f}, and "
            f"{clear:.2f} is possible. → Rank by predict_proba or decision_function: calls of 0 and 1 say "
            "too little for an AUC. And train on all the other sites."
        )
    learner.right.append(f"Where the disease is the same everywhere, the mean AUC is {same.mean():.2f}.")
    own = _answers(learner, draw, 20, (3,) * 4, columns=range(4))
    good = own.mean() < 0.62
    learner.rows.append(Row("another disease at every site", tuple(own.mean(axis=0)), good, ("chance", 0.5)))
    if not good:
        raise NotYet(
            "Where the disease shows in another column at every site, a model that has never seen the site "
            f"can only guess. The mean AUC is {own.mean():.2f}: scans of the site were in training. → Leave "
            "the whole site out, as LeaveOneGroupOut does."
        )
    learner.right.append(
        "Where every site has a disease of its own, it gets a coin's: no site was in training."
    )
    effects = (3, 3, 3, 0, -3)
    mixed, truth = _answers(learner, draw, 30, effects).mean(axis=0), norm.cdf(np.divide(effects, np.sqrt(2)))
    if np.abs(mixed - truth).max() > 0.15:
        told = ", ".join(f"{one:.2f}" for one in mixed)
        raise NotYet(
            f"Five sites should get {', '.join(f'{one:.2f}' for one in truth)} and get {told}. At the fourth "
            "there is no disease, and at the fifth it is turned round. → Give every AUC to its own site, as "
            "it is: below one half is an answer, too."
        )
    learner.right.append("A site at which the model fails is told from one at which it does well.")


# Task 2: one more site


def aucs(draw):
    """AUCs of the sites of a collection, by what they are like."""
    found = {}
    for i, (name, k, middle, spread) in enumerate((
        ("seven sites", 7, 1.5, 0.4),
        ("ten sites, nearly alike", 10, 1.0, 0.1),
        ("four sites", 4, 1.2, 0.5),
        ("twenty sites", 20, 0.8, 0.6),
        ("six sites near 1", 6, 3.2, 0.7),
        ("five sites, one of them below chance", 5, 0.5, 0.8),
    )):  # fmt: skip
        logits = draw(40 + i).standard_normal(k)
        logits = middle + spread * (logits - logits.mean()) / logits.std(ddof=1)
        found[name] = (expit(logits),)
    return found


def prediction(auc, times=None, *, inner=lambda k: 1 + 1 / k, ddof=1, to=logit, back=expit):
    k, values = len(auc), to(np.asarray(auc))
    half = (t.ppf(0.975, k - 1) if times is None else times) * values.std(ddof=ddof) * np.sqrt(inner(k))
    return back(values.mean() + half * np.array([0, -1, 1]))


def as_it_is(values):
    return values


ONE_MORE = Table(
    aucs,
    prediction,
    mistakes(
        of_the_mean=(
            lambda auc: prediction(auc, inner=lambda k: 1 / k),
            "This is the interval of the mean of all sites, and one more site scatters around that mean. → "
            "Multiply the standard deviation by the root of 1 + 1/k.",
        ),
        normal=(
            lambda auc: prediction(auc, 1.96),
            "The factor 1.96 knows the scatter between sites exactly, and it comes from a few sites. → Take "
            "the quantile of a t distribution with k - 1 degrees of freedom.",
        ),
        not_on_the_logit=(
            lambda auc: prediction(auc, to=as_it_is, back=as_it_is),
            "The interval was made of the AUCs as they are; near 1 it leaves the possible. → Go to the "
            "logit, log(AUC / (1 - AUC)), and come back.",
        ),
        divided_by_k=(
            lambda auc: prediction(auc, ddof=0),
            "The standard deviation was divided by k. → It is a sample of sites: divide by k - 1 (ddof=1).",
        ),
        mean_for_sure=(
            lambda auc: prediction(auc, inner=lambda k: 1),
            "The mean of the sites is uncertain as well. → 1 + 1/k stands under the root, and not 1.",
        ),
        quantiles=(
            lambda auc: np.array([expit(logit(auc).mean()), *np.quantile(auc, [0.025, 0.975])]),
            "The quantiles of a few sites never reach beyond the sites that were seen. → Take mean, standard "
            "deviation and t distribution.",
        ),
        lower_first=(
            lambda auc: prediction(auc)[[1, 0, 2]],
            "The usual AUC comes first, then lower and upper end. → Change the order.",
        ),
        left_on_the_logit=(
            lambda auc: prediction(auc, back=as_it_is),
            "These are logits. → Bring them back: 1 / (1 + exp(-logit)), or scipy's expit.",
        ),
    ),
    "The usual AUC and both ends are right for few sites and many, alike or not, near 1 and below chance.",
    same=lambda one, other: np.allclose(one, other, rtol=0, atol=0.006),
    told=lambda name, data, got, right: (
        f"For {name} the function returns {', '.join(f'{one:.3f}' for one in got)}, and "
        f"{', '.join(f'{one:.3f}' for one in right)} is right. → Look at "
        f"{'both ends' if abs(got[0] - right[0]) < 0.006 else 'the mean of the logits, brought back'}."
    ),
)


@check("auc", read=numbers("usual AUC", "lower end", "upper end"))
def one_more_site(learner, draw):
    """``one_more_site(auc)``: the usual AUC, and a 95 % prediction interval for a new site."""
    ONE_MORE.judge(learner, draw)


# Task 3: a confound


def aged(rng, n, columns, link, effect):
    """X, y, age: age moves every column, and patients are older; the first one carries `effect` too."""
    age = rng.standard_normal(n)
    y = (rng.random(n) < expit(link * age)).astype(int)
    X = rng.standard_normal((n, columns)) + 0.7 * age[:, None]
    X[:, 0] += effect * y
    return X, y, 60 + 10 * age


@check("X", "y", "age", read=score("AUC"))
def without_the_confound(learner, draw):
    """``without_the_confound(X, y, age)``: a cross-validated AUC with age regressed out inside the folds."""
    learner.twice(*aged(draw(60), 80, 80, 2.5, 0))
    found = []
    while len(found) < 6 or (len(found) < 24 and _in_doubt(found)):
        found.append(learner(*aged(draw(60 + len(found)), 80, 80, 2.5, 0)))
    mean = np.mean(found)
    told = f"Where age explains all that the columns know of the diagnosis, it reports {mean:.2f}"
    learner.rows.append(Row("only age", tuple(found), 0.4 < mean < 0.6, ("chance", 0.5)))
    if mean >= 0.6:
        raise NotYet(
            f"{told}, and without age there is nothing. → Fit a regression of every column on age to the "
            "training scans, patients and controls alike, subtract what it says in training and test, and "
            "give the model no age."
        )
    if mean <= 0.4:
        raise NotYet(
            f"{told}, which is clearly below chance: the regression on age has seen the test scans. What it "
            "takes out of the whole table leaves the opposite sign in the test folds. → Fit it to the "
            "training scans of every fold."
        )
    learner.right.append(f"{told}: chance.")
    loud = np.array([learner(*aged(draw(90 + i), 200, 10, 1, 2)) for i in range(4)])
    learner.rows.append(Row("a disease beside age", tuple(loud), loud.mean() > 0.74, ("at least", 0.74)))
    if loud.mean() <= 0.74:
        raise NotYet(
            f"Where there is a disease beside age, it reports {loud.mean():.2f}, and about 0.84 is possible. "
            "→ Subtract from every column only what age predicts of it, and rank by scores, not calls."
        )
    learner.right.append(f"Where there is a disease beside age, it reports {loud.mean():.2f}.")


def _in_doubt(found):
    """Whether a limit lies within three standard errors of the mean."""
    mean, error = np.mean(found), max(np.std(found, ddof=1), 0.05) / np.sqrt(len(found))
    return min(abs(mean - 0.4), abs(mean - 0.6)) < 3 * error
