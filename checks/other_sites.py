"""The checks of exercise 06: every site left out, one more site, a confound taken out inside the folds."""

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm, t

from checks.identities import say_of
from checks.judge import NotYet, Row, Scores, Signal, Table, check, named, numbers, reader, score
from checks.mistakes import mistakes

# Task 1: every site left out

NAMES = np.array([f"site {letter}" for letter in "KDAHCB"])


def collection(rng, effects, *, sizes=None, own=0, p=4):
    """X, y, site: one site per effect, of so many controls and patients.

    A site carries its effect in the first column, or, with `own` columns each, in columns of its own.
    """
    sizes = sizes or [(50, 50)] * len(effects)
    place = np.repeat(np.arange(len(sizes)), [sum(one) for one in sizes])
    y = np.concatenate([np.repeat([0, 1], one) for one in sizes])
    X = rng.standard_normal((len(y), p))
    for i, effect in enumerate(effects):
        columns = slice(i * own, (i + 1) * own) if own else slice(1)
        X[place == i, columns] += effect * (y[place == i, None] - 0.5)
    rows = rng.permutation(len(y))
    return X[rows], y[rows], NAMES[place[rows]]


AUCS = named("dict from the name of a site to its AUC", "{'site A': 0.81}")


@reader(AUCS.answer)
def by_site(value) -> dict[str, float]:
    found = AUCS(value)
    if wrong := [f"{name}: {number:.4g}" for name, number in found.items() if not 0 <= number <= 1]:
        raise NotYet(
            f"{wrong[0]} is no AUC. → Every AUC lies between 0 and 1; a site that has none is left out."
        )
    return found


def _sites(learner, data):
    """The AUCs by name, of exactly the sites with both classes."""
    X, y, site = data
    names = {name for name in NAMES if len(set(y[site == name])) == 2}
    found = learner(X, y, site)
    if missing := sorted(names - set(found)):
        raise NotYet(f"There is no AUC of {missing[0]}. → Give one for every site that has both classes.")
    if extra := sorted(set(found) - names):
        told = f"{extra[0]} has an AUC of {found[extra[0]]:.2f}"
        if extra[0] in set(site):
            raise NotYet(
                f"{told}, but all of its people are controls. → Leave it out: there is no pair to rank."
            )
        raise NotYet(f"{told}, and there is no such site. → The names are those in `site`.")
    return found


def _answers(learner, draw, first, effects):
    """The mean AUC of each site over two collections, in the order of the effects."""
    names = NAMES[: len(effects)]
    sets = [_sites(learner, collection(draw(first + i), effects)) for i in range(2)]
    if all(np.ptp(list(found.values())) < 1e-9 for found in sets):
        raise NotYet("All sites get the same number. → Compare patients and controls within each site.")
    return np.array([np.mean([found[name] for found in sets]) for name in names])


def _all_others_train(learner, draw):
    """A site of controls alone has no AUC, and yet it is one of the others that every model is trained at."""
    X, y, site = collection(draw(0), (2, 2, 2, 2), sizes=[(50, 50), (60, 0), (40, 3), (50, 50)])
    found = _sites(learner, (X, y, site))
    learner.right.append("Every site with both classes has an AUC, and no other.")
    large = NAMES[[0, 3]]
    for other in NAMES[[1, 0, 3]]:
        wild = np.where((site == other)[:, None], 9 * draw(1).standard_normal(X.shape), X)
        again = _sites(learner, (wild, y, site))
        if same := [name for name in large if name != other and again[name] == found[name]]:
            what = "which has controls only, " if other == NAMES[1] else ""
            raise NotYet(
                f"The AUC of {same[0]} stays exactly as it is when all scans of {other}, {what}are exchanged "
                "for noise, so the model was not trained there. → Train at all the other sites."
            )


def _its_labels_are_only_counted(learner, draw):
    """For fixed scores an AUC is a sum over the patients, so that the identity of `say_of` holds exactly."""
    for i in range(3):
        X, y, site = collection(draw(100 + i), (1.5,) * 4, sizes=[(11, 11)] * 4, own=10, p=40)
        rows = np.flatnonzero(site == NAMES[0])
        halves = [draw(110 + i).permutation(half) for half in np.array_split(y[rows], 2)]

        def of_one(X, labels, site, y=y, rows=rows):
            whole = y.copy()
            whole[rows] = labels
            return learner(X, whole, site)[NAMES[0]]

        # All labels turned round, too: who knows them all gets 1 for every set of labels.
        data = X, y[rows], site
        says = [say_of(of_one, data, 1, other)[0] for other in (None, np.concatenate(halves))]
        if not np.nanmax(np.abs([*says, 0])) > 0.021:  # AUCs may be rounded
            continue
        unlike = [collection(draw(120 + k), (3,) * 4, own=1) for k in range(2)]
        if np.mean([list(learner(*one).values()) for one in unlike]) > 0.62:
            raise NotYet(
                "Where the disease shows in another column at every site, a model that has never seen the "
                "site can only guess, and yours does better: scans of the site were in training. → Leave the "
                "whole site out, as LeaveOneGroupOut does."
            )
        raise NotYet(
            "When the labels of one site are turned round, or exchanged in part, its AUCs do not follow as "
            "those of fixed scores do. So labels of the site had a say, as when columns are chosen before it "
            "is left out, or the best of several AUCs is kept. → Do all that looks at labels with the other "
            "sites alone."
        )
    learner.right.append("The labels of the site that is left out have no say: they are only counted.")


@check("X", "y", "site", read=by_site)
def auc_by_site(learner, draw):
    """``auc_by_site(X, y, site)``: the AUC of each site by a model that was trained at all the others."""
    _all_others_train(learner, draw)
    clear = norm.cdf(1.5 / np.sqrt(2))
    same = _answers(learner, draw, 10, (1.5,) * 5)
    mean = same.mean()
    told = f"Where the disease is clear and the same everywhere, the mean AUC is {mean:.2f}"
    if mean < 0.3:
        raise NotYet(f"{told}: turned round. → A high score must mean y = 1.")
    learner.rows.append(Row("the same disease everywhere", tuple(same), mean >= 0.8, ("possible", clear)))
    if mean < 0.8:
        raise NotYet(
            f"{told}, and {clear:.2f} is possible. → Rank by predict_proba or decision_function: calls of 0 "
            "and 1 say too little for an AUC. And train on all the other sites."
        )
    learner.right.append(f"{told}.")
    effects = (3, 3, 3, 3, 0, -3)
    mixed, truth = _answers(learner, draw, 30, effects), norm.cdf(np.divide(effects, np.sqrt(2)))
    if np.abs(mixed - truth).max() > 0.3:
        told = ", ".join(f"{one:.2f}" for one in mixed)
        raise NotYet(
            f"Six sites should get {', '.join(f'{one:.2f}' for one in truth)} and get {told}. At the fifth "
            "there is no disease, and at the last it is turned round. → Give every AUC to its own site, as "
            "it is: below one half is an answer, too."
        )
    learner.right.append("A site at which the model fails is told from one at which it does well.")
    _its_labels_are_only_counted(learner, draw)


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
        normal_divided_by_k=(
            lambda auc: prediction(auc, 1.96, ddof=0),
            "The factor is 1.96, and the standard deviation was divided by k: both take few sites for many. "
            "→ Take the quantile of a t distribution with k - 1 degrees of freedom, and ddof=1.",
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


def aged(rng, n=80, p=80):
    """X, y, age: age moves every column, and patients are older; nothing else tells them."""
    age = rng.standard_normal(n)
    y = (rng.random(n) < expit(2.5 * age)).astype(int)
    return rng.standard_normal((n, p)) + 0.7 * age[:, None], y, 60 + 10 * age


def masked(rng, n=200):
    """X, y, age: patients are older and the disease lowers what age raises, so that nothing shows."""
    y = rng.permutation(np.arange(n) % 2)
    age = rng.standard_normal(n) + y
    X = 0.7 * rng.standard_normal((n, 2))
    X[:, 0] += 1.5 * (age - y)
    return X, y, 60 + 10 * age


def graded(rng, n=160):
    """X, y, age: a quarter are clear patients, a quarter clear controls, and the other half look alike."""
    rows = rng.permutation(n)
    y, kind = (rows < n // 2).astype(int), (rows < n // 4).astype(int) + (rows < 3 * n // 4)
    age = rng.standard_normal(n)
    X = rng.standard_normal((n, 3)) + 2 * age[:, None]
    X[:, 0] += 8 * kind
    return X, y, 60 + 10 * age


def leaning(rng, n=60):
    """X, y, age: four very old or young people alone show what age does; all patients are 61, controls 60.

    A regression on a few test scans would take the disease for age.
    """
    y = rng.permutation(np.arange(n) % 2)
    age = 60.0 + y
    age[np.concatenate([rng.permutation(np.flatnonzero(y == one))[:2] for one in (0, 1)])] = 20, 100, 20, 100
    X = rng.standard_normal((n, 3)) + 0.5 * (age - 60)[:, None]
    X[:, 0] += 5 * y
    return X, y, age


def _aged_leaks(learner, draw, mean):
    if mean < 0.62:
        return (
            "something else was chosen by the score: the best of several shufflings, or of a score and its "
            "opposite. → Report the mean of one cross-validation, as it is."
        )
    return (
        "without age there is nothing. → Fit a regression of every column on age to the training scans, "
        "patients and controls alike, subtract what it says in training and test, and give the model no age."
    )


CONFOUND = Scores(
    aged, 60, _aged_leaks,
    (Signal(graded, 0.815, 0.93,
            "Half of the patients look like half of the controls there: an AUC is 0.87, and a score of "
            "calls 0.75. → Rank by probabilities, not calls, and return the AUC.", "three kinds of people"),
     Signal(masked, 0.79, 0.905,
            "Patients are older there, and the disease lowers what age raises. → Subtract from every column "
            "what age predicts of it, in training and in test, and give the model no age.",
            "a disease that age hides"),
     Signal(leaning, 0.93, 1.0,
            "Nearly all people are of one age, and the regression must come from others: in the test scans "
            "alone the disease looks like age. → Fit it to the training scans, and subtract it in both.",
            "a few very old or young people")),
    "columns that tell age only", least=0.05,
    low="the regression on age has seen the test scans. What it takes out of the whole table leaves the "
    "opposite sign in the test folds. → Fit it to the training scans of every fold.",
)  # fmt: skip


@check("X", "y", "age", read=score("AUC"))
def without_the_confound(learner, draw):
    """``without_the_confound(X, y, age)``: a cross-validated AUC with age regressed out inside the folds."""
    CONFOUND.judge(learner, draw)
