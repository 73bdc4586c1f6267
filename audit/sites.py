"""Findings on sites: do they go with the label, the features, the gaps?"""

import numpy as np
from sklearn.model_selection import KFold

from audit import pictures
from audit.checks import check
from audit.models import onehot, ridge
from audit.table import ALPHA, association


@check("site and label", "site")
def site_and_label(study):
    """Whether the site predicts the label."""
    if study.site is None:
        return None
    p, share, _ = association(study, onehot(study.site[study.starts]), study.per_subject(study.target))
    alone = study.models.stated(study.models.evaluate("linear", "grouped", X=onehot(study.site)))
    study.answers["site alone"] = alone
    single = 0
    if study.classes is not None:
        single = sum(len(np.unique(study.y[study.site == s])) == 1 for s in range(len(study.sites)))
    alarm = study.answers["site alarm"] = p <= ALPHA and share > 0.01
    found = "The site predicts the label" if alarm else "The site alone does not predict the label"
    text = (
        f"{found}: {len(study.sites)} sites. A model that knows only the site has a cross-validated"
        f" {study.unit} of {alone[0]:.2f} (guessing: {study.chance:.2f}); association p = {p:.3f}."
        + (f" {single} sites have one class only." if single else "")
    )
    level = "fine" if not alarm else "stop" if share > 0.25 or single > len(study.sites) / 2 else "warn"
    return level, text, pictures.shares(study.site, study.sites, study)


@check("site in the features", "site")
def site_in_the_features(study):
    """Whether the features name the site, or know less of it than chance would leave."""
    if study.site is None:
        return None
    site, strata, Z = study.site[study.starts], None, study.per_subject(study.Z)
    if (
        study.classes is not None and study.steady
    ):  # a difference that the label explains is no mark of the site
        strata = study.y[study.starts]
        for code in np.unique(strata):
            Z[strata == code] -= Z[strata == code].mean(0)
    p, share, null = association(study, onehot(site), Z, strata=strata)
    p_one, best, _ = association(study, onehot(site), Z, strata=strata, largest=True)
    alarm = min(p, p_one) <= ALPHA / 2 and (share - null.mean() > 0.01 or best > 0.05)
    # In clean tables the share is one of the null's. In harmonised ones it lies below all of them.
    removed = len(null) > 1 and share < min(0.7 * null.mean(), null.min())
    known, usual = _site_accuracy(study)
    found = "The features know the site" if alarm else "The features do not name the site"
    if removed:
        found = "The features know less of the site than chance would leave"
    text = (
        f"{found}. A linear model names the site of {100 * known:.0f} % of new subjects (always naming the"
        f" largest: {100 * usual:.0f} %). Sites explain {100 * share:.1f} % of a feature's variance on"
        f" average, {100 * null.mean():.1f} % expected by chance; p = {min(1, 2 * min(p, p_one)):.3f}."
    )
    if removed:
        text += (
            " So the table was harmonised over all rows, test rows included, perhaps with the diagnosis kept:"
            " then the labels of test rows are in the features, and no split of this table is honest."
            " Harmonise inside the training folds."
        )
    level = (
        "warn" if removed else "fine" if not alarm else "stop" if study.answers.get("site alarm") else "warn"
    )
    return level, text, pictures.null(null, share, "share of variance that sites explain")


def _site_accuracy(study):
    """Accuracy of naming the site of new subjects, and of always naming the largest site."""
    site, Z = study.site[study.starts], study.per_subject(study.Z)
    right, target = np.zeros(len(site), bool), onehot(site)
    for train, test in KFold(5, shuffle=True, random_state=study.seed).split(Z):
        mean = target[train].mean(0)
        right[test] = np.argmax(Z[test] @ ridge(Z[train], target[train] - mean) + mean, axis=1) == site[test]
    return right.mean(), np.bincount(site).max() / len(site)


def missing_block(study, A):
    """Association of the gaps in the features with `A`, the largest over features."""
    M = study.missing
    block = np.column_stack([M[:, M.any(0)], M.sum(1)]).astype(float)
    return association(study, A, study.per_subject(block), largest=True)


@check("missing values and site", "site")
def missing_values_and_site(study):
    """Whether sites miss different values."""
    if study.site is None or not study.missing.any():
        return None
    p, best, _ = missing_block(study, onehot(study.site[study.starts]))
    by_site = {study.sites[s]: 100 * study.missing[study.site == s].mean() for s in range(len(study.sites))}
    worst = sorted(by_site, key=by_site.get)[::-1]
    alarm = p <= ALPHA and best > 0.01
    text = (
        f"{'Sites miss different values' if alarm else 'Sites do not clearly differ in what is missing'}:"
        f" from {by_site[worst[-1]]:.1f} % ({worst[-1]}) to {by_site[worst[0]]:.1f} % ({worst[0]}); p ="
        f" {p:.3f}."
    )
    return "warn" if alarm else "fine", text, pictures.bars({s: by_site[s] for s in worst[:12]}, "missing, %")
