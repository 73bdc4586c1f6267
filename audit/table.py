"""The table that is audited: its columns have roles, its label is coded, its people are counted."""

import difflib
import functools
import re

import numpy as np
import pandas as pd

from audit.ids import persons
from audit.neighbours import Neighbours, neighbours
from audit.reading import as_numbers, is_number
from audit.words import AuditError, count, quoted, some

ALPHA = 0.01  # of every test
LARGEST_SAMPLE = 5000, 1e7  # rows, and cells, that models are fitted to
BEYOND = 1e100  # a larger number is a mistake, and its square would overflow
ROLES = ("label", "subject", "site", "session", "second_rater", "split")
UNKNOWN = set("|.|?|-|--|na|n/a|n.a.|nan|<na>|#n/a|null|unknown|unk|missing|undefined|nil".split("|"))
UNKNOWN |= set("n.d.|nd|tbd|to be determined|k.a.|keine angabe|unbekannt|inconnu|desconocido".split("|"))
NOT_KNOWN = r"no (diagnosis|data|answer)|not (available|known|recorded|reported|applicable|done|assessed|"
NOT_KNOWN += r"tested|specified|provided|collected|performed|determined)|refused( to answer)?|"
NOT_KNOWN += r"declined to answer|prefers? not to (say|answer)|pending( review)?"
MISSING_CODE = r"[+-]?(9+|8{2,}|7{2,})(\.0+)?"
VAGUE = r"None|(?i:.*\b(others?|prodromal|possible|probable|unclear|uncertain|mixed|excluded?|swedd|"
VAGUE += r"indeterminate|inconclusive|equivocal|unclassified|undetermined|borderline|suspected|withdrawn|"
VAGUE += r"drop-?out|lost to follow-?up|screen(ing)? fail\w*|ineligible|unklar|fraglich|ausgeschlossen)\b.*)"
SPLIT = r"(?i)(train\w*|dev\w*|derivation|discovery|val|valid\w*|tun\w*|test\w*|hold-?out|external)"


def missing_codes(column) -> dict[int, int]:
    """Numbers such as -9 or 999 that lie alone, far outside the other values, and how often each occurs.

    Far is three interquartile ranges beyond the nearest other value (Tukey's "far out" fence, used as a
    gap), or a negative number where no other is.
    """
    numbers = column if is_number(column) else pd.to_numeric(column.astype(object), errors="coerce")
    values = numbers.dropna().to_numpy(float)
    codes = [
        sign * digit for digit in (9, 99, 999, 9999, 99999, 88, 888, 8888, 77, 777, 7777) for sign in (-1, 1)
    ]
    others = values[~np.isin(values, codes)]
    if len(others) < 10 or not (found := sorted({int(v) for v in values if v in codes})):
        return {}
    low, high = others.min(), others.max()
    with np.errstate(over="ignore"):
        gap = 3 * max(np.subtract(*np.quantile(others, [0.75, 0.25])), (high - low) / 10, 1e-12)
    return {
        code: int(np.sum(values == code))
        for code in found
        if (code < 0 <= low) or code < low - gap or code > high + gap
    }


class Study:
    """The rows that are audited, sorted by subject. Shapes: n rows, p features, m subjects."""

    def __init__(self, frame, names, task, positive, seed):
        self.names, self.seed = names, seed
        self.rng = np.random.default_rng(seed)
        self.notes, self.remarks, self.odd = [], list(frame.attrs.get("remarks", [])), []
        self.problems, self.answers, self.assumed, self.doubtful = {}, {}, [], False
        self._check_columns(frame)
        frame = self._code_label(frame, task, positive)
        frame = self._code_subjects(frame)
        self._choose_features(frame)
        self._find_copies(frame)
        self._sample(frame)

    def _check_columns(self, frame):
        if isinstance(frame.columns, pd.MultiIndex) or frame.columns.isna().any():
            raise AuditError(
                "Every column needs one name. This table has columns without a name, or with names on several"
                " levels."
            )
        if (twice := frame.columns[frame.columns.duplicated()]).size:
            raise AuditError(f"Two columns have the name {quoted(twice[0])}. Rename one.")
        if not len(frame):
            raise AuditError("The table has no rows.")
        taken = {}
        for role in ROLES:
            column = self.names[role]
            if column is None:
                continue
            wrong = self._no_column(frame, column)
            if not wrong and column in taken:
                wrong = (
                    f"The column {quoted(column)} is named as {taken[column]} and as {role}. A column has one"
                    " role."
                )
            if wrong and role in ("label", "subject"):
                raise AuditError(wrong)
            if wrong:
                self.problem(role, wrong)
            else:
                taken[column] = role
        for role in ("demographics", "features"):
            for column in list(self.names[role] or []):
                wrong = self._no_column(frame, column)
                if not wrong and role == "features" and column in taken:
                    wrong = (
                        f"The column {quoted(column)} is the {taken[column].replace('_', ' ')} and a feature."
                        " It was taken out of the features."
                    )
                if wrong:
                    self.problem(role, wrong, column)

    @staticmethod
    def _no_column(frame, column) -> str:
        try:
            if column in frame.columns:
                return ""
        except TypeError:
            return f"A column is named by one word, not by {quoted(column)}."
        near = difflib.get_close_matches(str(column), map(str, frame.columns), 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return f"There is no column {quoted(column)}.{hint} The table has {some(frame.columns, 12)}."

    def problem(self, role, sentence, column=None):
        """An argument that cannot be used: it is said, and the rest goes on without it."""
        self.problems[role] = f"{self.problems[role]} {sentence}" if role in self.problems else sentence
        self.names[role] = None if column is None else [c for c in self.names[role] if c != column]

    # The label

    def _code_label(self, frame, task, positive):
        name = self.names["label"]
        label = frame[name]
        if task not in (None, "classification", "regression"):
            raise AuditError(f"task is {task!r}, but it must be 'classification' or 'regression'.")
        try:
            label.nunique()
        except TypeError as error:
            raise AuditError(
                f"The label {quoted(name)} holds lists or the like. Write one word or number in each row."
            ) from error
        label = self._without_unknown(label)
        if label.isna().all():
            raise AuditError(f"The label {quoted(name)} is missing in every row.")
        there = label.notna().to_numpy()
        frame, label = frame[there], label[there]
        self.all_rows, self.positions, self.rows_given = len(frame), np.flatnonzero(there), len(there)
        numeric = is_number(label) and not pd.api.types.is_bool_dtype(label)
        if label.nunique() < 2:
            raise AuditError(
                f"The label {quoted(name)} is {quoted(label.iloc[0])} in every row. There is nothing to tell"
                " apart."
            )
        if task is None:
            task = "regression" if numeric and label.nunique() > 10 else "classification"
            if numeric and 2 < label.nunique():
                other = "classes without an order (task='regression' for a number)"
                if task == "regression":
                    other = "a number to predict (task='classification' for classes)"
                self.assumed.append(f"its {label.nunique()} different numbers are {other}")
        if task == "regression":
            self._code_number(label, numeric)
        else:
            self._code_classes(label, positive)
        return frame

    def _without_unknown(self, label):
        """The label without blanks, "unknown" and codes such as -9: those are no classes."""
        name = self.names["label"]
        if label.isna().any():
            self.remarks.append(f"{count(int(label.isna().sum()), 'row')} without a label were left out.")
        if isinstance(label.dtype, pd.CategoricalDtype):
            label = pd.Series(list(label), label.index)
        if not is_number(label) or label.dtype == object:
            text = label.map(lambda value: value.strip().casefold() if isinstance(value, str) else "a value")
            words = text.str.replace(r"^-?\d+ ?[=:] ?", "", regex=True)  # "9=unknown" too
            words = words.isin(UNKNOWN) | words.str.fullmatch(NOT_KNOWN)
            if not text[~words].str.fullmatch(r"[+-]?[\d.,]+").all():  # among words, -9 is no class either
                words |= text.str.fullmatch(MISSING_CODE)
            if words.any():
                self.remarks.append(
                    f"{count(int(words.sum()), 'row')} with a blank, “unknown” or the like as"
                    f" {cut_name(name)} were left out."
                )
                self.assumed.append("blanks, “unknown” and the like are no class")
                self.doubtful = True
                label = label.where(~words, None)
            label = self._spelt_alike(label)
            number = label if label.map(lambda v: isinstance(v, bool)).any() else as_numbers(label)
            if number is not label and (number.notna() == label.notna()).all():
                label = number
        if is_number(label) and not pd.api.types.is_bool_dtype(label) and label.nunique() <= 11:
            for code, rows in missing_codes(label).items():
                self.remarks.append(
                    f"{count(rows, 'row')} with the label {code}, a code for a missing value, were left out."
                )
                self.assumed.append(f"{code} stands for a missing label")
                self.doubtful = True
                label = label.where(label != code)
            left = np.unique(label.dropna())
            if len(left) > 2 and (left[0] < 0 <= left[1] or left[-1] - left[-2] > 3 * (left[-2] - left[0])):
                odd = left[0] if left[0] < 0 else left[-1]
                self.assumed.append(f"{odd:g} is a class, and no code for a missing label")
                self.doubtful = True
        return label

    def _spelt_alike(self, label):
        """Classes that differ in capitals or spaces only, under their most frequent spelling."""
        words = pd.Series([value for value in label if isinstance(value, str)])
        plain = words.str.strip().str.casefold()
        if not len(words) or plain.nunique() == words.nunique():
            return label
        usual = words.groupby(plain).agg(lambda spelt: spelt.str.strip().mode()[0])
        spelt = dict(zip(words, plain.map(usual), strict=True))
        self.assumed.append(
            f"what differs in capitals or spaces only is one class ({some(usual[plain.unique()], 10)})"
        )
        self.doubtful = True
        return label.map(lambda value: spelt.get(value, value) if isinstance(value, str) else value)

    def _code_number(self, label, numeric):
        name = self.names["label"]
        if not numeric:
            raise AuditError(f"The label {quoted(name)} holds text, so it cannot be a number to predict.")
        self.kind, self.classes, self.y = "regression", None, label.to_numpy(float)
        if not np.isfinite(self.y).all():
            raise AuditError(f"The label {quoted(name)} has infinite values.")
        if np.abs(self.y).max() > BEYOND:
            raise AuditError(
                f"The label {quoted(name)} has values beyond 1e100. That is a mistake, or calls for another"
                " unit."
            )

    def _code_classes(self, label, positive):
        name, label = self.names["label"], label.astype(object)
        try:
            classes = sorted(label.unique(), key=lambda c: (isinstance(c, str), c))
        except TypeError as error:
            raise AuditError(
                f"The label {quoted(name)} holds values that have no order among them, such as "
                f"{quoted(label.iloc[0])}. Write the classes as words or as whole numbers."
            ) from error
        if len(classes) > 20:
            raise AuditError(
                f"The label {quoted(name)} has {len(classes)} classes, and at most 20 can be audited:"
                f" {some(classes)}. Is it an id, or a number (task='regression')?"
            )
        if positive is not None:
            if not any(positive is c or positive == c for c in classes if np.isscalar(positive)):
                raise AuditError(
                    f"positive={positive!r} is no class of {quoted(name)}, which has {some(classes)}."
                )
            classes = [c for c in classes if c != positive] + [positive]
        self.kind = "binary" if len(classes) == 2 else "classes"
        whole = all(isinstance(c, float) and c.is_integer() for c in classes)
        self.classes = [str(int(c) if whole else c) for c in classes]
        self.y = label.map({c: i for i, c in enumerate(classes)}).to_numpy(int)
        self.values = classes
        vague = [c for c in self.classes if re.fullmatch(VAGUE, c)]
        if len(classes) > 2 and isinstance(classes[-1], str):
            self.assumed.append(
                "every value is a class of its own" + (f", {some(vague)} too" if vague else "")
            )
        if vague and len(classes) > 2:
            self.doubtful = True
            self.odd.append(
                f"{some(vague)} of the label may be no class like the others. If two groups are to be"
                " compared, keep those rows only."
            )

    # The people

    def _code_subjects(self, frame):
        names, self.undated = self.names, ""
        if names["subject"] is None:
            self.subject = np.arange(len(frame))
        else:
            ids = frame[names["subject"]]
            blank = ids.isna() | ids.map(lambda one: isinstance(one, str) and not one.strip())
            if blank.any():
                raise AuditError(
                    f"{blank.sum()} rows have no subject in {quoted(names['subject'])}. Fill it, or leave "
                    "these rows out: nobody knows in which fold they belong."
                )
            person, sentence = persons(ids, self.y)
            # An id that is seen in several sessions is a person's already, whatever stands in it.
            session = names["session"]
            if (
                session is not None
                and frame[session].groupby(ids.astype(str).to_numpy()).nunique().median() > 1
            ):
                person, sentence = ids.astype(str).str.strip(), ""
            self.undated = sentence
            self.subject = pd.factorize(person)[0]
        if (m := self.subject.max() + 1) < 10:
            raise AuditError(
                f"There {'is one subject' if m == 1 else f'are {m} subjects'}. At least 10 are needed to say"
                " anything about new ones."
            )
        return self._without_rare_classes(frame)

    def _without_rare_classes(self, frame):
        """Rows of classes that five folds can hold; the others are left out if two classes remain."""
        names = self.classes or []
        sizes = [len(np.unique(self.subject[self.y == code])) for code in range(len(names))]
        kept = [code for code, k in enumerate(sizes) if k >= 5]
        if len(kept) == len(names):
            return frame
        rare = [f"{name!r} ({count(k, 'subject')})" for name, k in zip(names, sizes, strict=True) if k < 5]
        if len(kept) < 2:
            raise AuditError(
                f"Five folds need at least 5 subjects of each class: {some(rare)} too few. "
                "Merge it with another class, or leave it out."
            )
        rows = np.isin(self.y, kept)
        self.remarks.append(f"Too few for five folds, and left out: {some(rare, 10)}.")
        self.assumed.append(f"{some(rare, 10)} too few for a class of its own")
        self.doubtful, self.kind = True, "binary" if len(kept) == 2 else "classes"
        self.classes, self.values = ([of[code] for code in kept] for of in (names, self.values))
        self.y, self.positions = np.searchsorted(kept, self.y[rows]), self.positions[rows]
        self.subject, self.all_rows = pd.factorize(self.subject[rows])[0], int(rows.sum())
        return frame[rows]

    # The features

    def _choose_features(self, frame):
        names = self.names
        skip = {names[role] for role in ROLES if names[role] is not None} | set(names["demographics"])
        asked = names["features"] is not None
        columns = {
            c: frame[c] for c in (names["features"] if asked else frame.columns) if asked or c not in skip
        }
        self.text = {}
        read = []
        for c, column in list(columns.items()):
            if is_number(column):
                continue
            number = self._number_of(c, column)
            if number is None:
                self.text[c] = columns.pop(c)
            else:
                columns[c] = number
                read.append(c)
        if read:
            self.remarks.append(f"Text that holds numbers only was read as numbers in {some(read)}.")
        self._sort_out_text(frame)
        kept, dropped = {}, {}
        for c, column in columns.items():
            values = pd.to_numeric(column).to_numpy(float, na_value=np.nan)
            far = np.abs(values) > BEYOND
            if far.any():
                self.remarks.append(
                    f"{count(int(far.sum()), 'infinite value')} (or beyond 1e100) in {cut_name(c)} were taken"
                    " as missing."
                )
                values = np.where(far, np.nan, values)
            there = values[np.isfinite(values)]
            if not len(there):
                why = "is missing everywhere"
            elif (spread := there.max() - there.min()) == 0:
                why = "is always the same"
            elif str(c).casefold().startswith("diagnostics_"):
                why = "is a diagnostic of the software"
            elif (
                spread < 1.1 * len(values) and len(np.unique(there)) == len(values) and (there % 1 == 0).all()
            ):
                why = "counts the rows, like an index"
            else:
                kept[c] = values
                continue
            dropped.setdefault(why, []).append(c)
        self.dropped = dropped
        if not kept:
            raise AuditError("No feature is left: the table needs at least one column of numbers that vary.")
        self.features, self.columns = list(kept), pd.DataFrame(kept, index=frame.index)
        self._name_codes(frame)

    def _number_of(self, name, column):
        """A text column as numbers, or None if it is none (and why is kept)."""
        there = column.notna()
        if pd.api.types.is_bool_dtype(column) or (
            column[there].astype(str).isin(["True", "False"]).all() and there.any()
        ):
            return column.map(lambda v: np.nan if pd.isna(v) else float(str(v) == "True"))
        if not column.map(lambda v: isinstance(v, str | int | float)).all() or isinstance(
            column.dtype, pd.CategoricalDtype
        ):
            return None
        number = as_numbers(column)
        wrong = there & number.isna()
        if not wrong.any() and there.any():
            return number
        if 0 < wrong.sum() < 0.2 * there.sum():  # a few words among them, such as "unknown" or "< 0.5"
            rows = self.positions[np.flatnonzero(wrong)]
            self.odd.append(
                f"{cut_name(name)} holds numbers, but was left out because of text in"
                f" {count(len(rows), 'row')} ({some(rows, 6)}, counted from 0)."
            )
        return None

    def _sort_out_text(self, frame):
        """Columns of text: categories get a warning, the others a word; a split is asked about."""
        few = {
            c: v for c, v in self.text.items() if _levels(v) and 2 <= _levels(v) <= min(20, len(frame) / 5)
        }
        for c, values in list(few.items()):
            words = values.dropna().astype(str).str.strip()
            if words.str.fullmatch(SPLIT).all() and self.names["split"] is None:
                self.odd.append(
                    f"{cut_name(c)} looks like a split into training and test rows. Name it with split= to"
                    " have it audited."
                )
                del few[c]
        if few:
            self.odd.append(
                f"Text with few values was left out: {some(few, 8)}. If a model of yours uses it, write it as"
                " numbers (0 and 1); age, sex and the like belong into demographics=."
            )
        if rest := [c for c in self.text if c not in few]:
            self.remarks.append(f"Text, not used as features: {some(rest, 8)}.")

    def _name_codes(self, frame):
        coded = {}
        also = [*self.names["demographics"], *([self.names["label"]] if self.kind == "regression" else [])]
        for c in dict.fromkeys([*self.features, *also]):
            for code, rows in missing_codes(self.columns[c] if c in self.columns else frame[c]).items():
                coded.setdefault(code, []).append((c, rows))
        for code, found in coded.items():
            if (rows := sum(number for _, number in found)) > 1:
                self.odd.append(
                    f"{code} may stand for a missing value in {some([c for c, _ in found])} ({rows} cells,"
                    " far from all others). It was taken as a number here."
                )

    # Copies, and the rows that models get

    def _find_copies(self, frame):
        """Rows that are equal in all features, unless that can be chance; and one fold for all of them."""
        features = self.columns
        self.keys = pd.util.hash_pandas_object(features, index=False).to_numpy()
        again = pd.Series(self.keys).duplicated(keep=False).to_numpy()
        chance = self._by_chance(features.iloc[:, :: max(1, len(self.features) // 50)], again)
        self.copies = again & ~chance & features.notna().any(axis=1).to_numpy()
        self.telling = chance.mean() < 0.5
        self.together = self.subject.copy()
        for rows in pd.Series(np.flatnonzero(self.copies)).groupby(self.keys[self.copies]).apply(list):
            self.together[np.isin(self.together, self.together[rows])] = self.together[rows].min()

    def _by_chance(self, columns, again):
        """Rows that may be equal to another by chance: that many pairs as likely as theirs are expected.

        Counted over columns that do not follow from each other (eTIV and ASF in OASIS do). Columns that hang
        together, as many zeros do, agree more often: in half of them such rows have more that are equal.
        """
        alike, n = columns.iloc[:5000].rank().corr().abs().fillna(0).to_numpy(), len(columns)
        used, expected = [], np.full(n, float(n))
        for j in range(columns.shape[1]):
            if not used or alike[j, used].max() < 0.5:
                codes = pd.factorize(columns.iloc[:, j], use_na_sentinel=False)[0]
                expected *= (np.bincount(codes)[codes] - 1) / max(n - 1, 1)
                used.append(j)
        order = np.argsort(expected)
        chance, others = np.empty(n, bool), np.zeros(n)
        chance[order] = np.cumsum(expected[order]) > ALPHA
        for _ in range(8 if again.any() else 0):
            half = self.rng.permutation(columns.shape[1])[: (columns.shape[1] + 1) // 2]
            keys = pd.util.hash_pandas_object(columns.iloc[:, half], index=False).to_numpy()
            others += pd.Series(self.keys).groupby(keys).transform("nunique").to_numpy() > 1
        return chance | (again & (others > 0) & (expected > 1e-12))

    def _sample(self, frame):
        """Draw whole subjects if there are too many rows for models; then sort by subject."""
        most = int(min(LARGEST_SAMPLE[0], max(500, LARGEST_SAMPLE[1] // len(self.features))))
        rows = np.arange(len(frame))
        if len(rows) > most:
            rows = self._drawn(rows, most)
            self.notes.append(
                f"Models and tests used {len(rows):,} of {len(frame):,} rows, whole subjects drawn at "
                "random. Rows per subject, exact copies and counts are of all rows."
            )
        self.full = frame, self.subject, self.y
        self.several = len(np.unique(self.subject)) < len(frame)
        self.near = Neighbours()  # where whole rows agree by chance, nearness says nothing
        if self.telling:
            features = self.columns.iloc[rows].to_numpy()
            self.near = neighbours(features, self.subject[rows], self.copies[rows], self.seed)
        self.matched = self.kind != "regression" and self.near.exchanged(self.y[rows])
        together = self.near.joined(self.together[rows])
        order = np.argsort(together, kind="stable")
        rows, self.sorting = rows[order], order
        self.rows, self.y = self.positions[rows], self.y[rows]
        self.subject = np.unique(together[order], return_inverse=True)[1]
        self.starts = np.flatnonzero(np.r_[True, np.diff(self.subject) > 0])
        part = frame.iloc[rows]
        self.X = self.columns.iloc[rows].to_numpy(float)
        self.missing = np.isnan(self.X)
        self.site, self.sites = self._codes(part, self.names["site"])
        self.people = []
        for c in list(self.names["demographics"]):
            if (values := self._demographic(part[c])) is not None:
                self.people.append(values)
        self.part = part

    def _drawn(self, rows, most):
        """Rows of whole subjects; a rare class gets at least an eighth of a fair share."""
        order = self.rng.permutation(self.subject.max() + 1)
        rank = np.argsort(order)[self.subject].astype(float)
        for code in range(len(self.classes or [])):
            mine = np.unique(self.subject[self.y == code], return_index=True)[1]
            few = most // (8 * len(self.classes))
            if len(mine) * most / len(rows) < few:
                early = np.flatnonzero(self.y == code)[np.argsort(rank[self.y == code], kind="stable")][:few]
                rank[np.isin(self.subject, self.subject[early])] -= len(rows)
        return np.flatnonzero(rank < np.sort(rank)[most])

    def _codes(self, part, column):
        if column is None:
            return None, None
        codes, values = pd.factorize(
            part[column].astype(object).where(part[column].notna(), "(missing)"), sort=False
        )
        if len(values) < 2:
            self.problem("site", f"{quoted(column)} has one value only, so nothing can be said about sites.")
            return None, None
        if len(values) > len(part) / 5 or len(values) > 200:
            self.problem(
                "site",
                f"{quoted(column)} has {len(values)} values in {len(part)} rows. That is no site. Is it"
                " an id?",
            )
            return None, None
        return codes, [str(v) for v in values]

    def _demographic(self, column):
        if not is_number(column) and not isinstance(column.dtype, pd.CategoricalDtype):
            number = as_numbers(column)
            column = number if (number.notna() == column.notna()).all() else column
        if is_number(column) and not pd.api.types.is_bool_dtype(column):
            column = column.fillna(column.median()) if column.notna().any() else column.fillna(0)
            return np.clip(column.to_numpy(float), -BEYOND, BEYOND)[:, None]
        if column.nunique() > 20:
            self.problem(
                "demographics",
                f"The demographic column {quoted(column.name)} is text with {column.nunique()} different"
                " values.",
                column.name,
            )
            return None
        return pd.get_dummies(column.astype(str), drop_first=column.nunique() > 1).to_numpy(float)

    # Small derived things

    def per_subject(self, values):
        """Means over each subject's rows, shape (m, ...)."""
        values = np.asarray(values, float)
        sizes = np.diff(np.r_[self.starts, len(values)]).reshape(-1, *[1] * (values.ndim - 1))
        return np.add.reduceat(values, self.starts) / sizes

    @functools.cached_property
    def target(self):
        """The label as numbers for linear algebra, shape (n, 1) or (n, classes)."""
        return np.eye(len(self.classes))[self.y] if self.kind == "classes" else self.y[:, None].astype(float)

    @functools.cached_property
    def steady(self):
        """Whether every subject keeps one label."""
        return bool(
            (np.maximum.reduceat(self.y, self.starts) == np.minimum.reduceat(self.y, self.starts)).all()
        )

    @functools.cached_property
    def Z(self):
        """Features standardised, missing values at the median: for tests that are no models. Shape (n, p)."""
        X = np.where(self.missing, np.nanmedian(self.X, axis=0), self.X)
        return (X - X.mean(0)) / np.where(X.std(0) > 0, X.std(0), 1)

    @property
    def unit(self):
        return "R2" if self.kind == "regression" else "AUC"

    @property
    def chance(self):
        return 0.0 if self.kind == "regression" else 0.5


def cut_name(name) -> str:
    """A column's name in quotation marks."""
    return f"“{some([name])}”"


def _levels(column) -> int:
    try:
        return int(column.nunique())
    except TypeError:
        return 0


def within(rng, strata, m):
    """A random order of m subjects that exchanges them only within strata."""
    order = np.arange(m)
    if strata is None:
        return rng.permutation(m)
    for s in np.unique(strata):
        mine = np.flatnonzero(strata == s)
        order[mine] = rng.permutation(mine)
    return order


def association(study, A, B, *, strata=None, largest=False, repeats=None):
    """Permutation test of a linear association between two blocks of columns, by subject.

    Returns p, the share of the variance of B's columns that A explains, and the permuted shares. With
    `largest`, the statistic is that of the best column of B, so that p is right however many there are.
    """
    B = B[:, study.rng.permutation(B.shape[1])[:2000]]
    A, B = A - A.mean(0), B - B.mean(0)
    B = B[:, B.std(0) > 1e-12]
    U, singular, _ = np.linalg.svd(A, full_matrices=False)
    Q = U[:, singular > 1e-9 * max(singular.max(initial=0), 1e-300)]
    if not Q.shape[1] or not B.shape[1]:
        return 1.0, 0.0, np.zeros(1)
    B = (B / np.sqrt((B**2).sum(0))).astype(np.float32)
    Q = Q.astype(np.float32)

    def statistic(order):
        explained = ((Q[order].T @ B) ** 2).sum(0)
        return float(explained.max() if largest else explained.mean())

    repeats = repeats or (499 if B.size < 1e6 else 199)
    observed = statistic(np.arange(len(B)))
    null = np.array([statistic(within(study.rng, strata, len(B))) for _ in range(repeats)])
    return (1 + np.sum(null >= observed - 1e-9)) / (1 + repeats), observed, null
