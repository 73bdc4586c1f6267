"""The form of a reviewer: what is wrong with a published study, and what its score is in truth.

Native HTML controls (form.js) with labels of their own, so that it works with the keyboard and a screen
reader. The kernel compares the review with the truth and sends back a picture, a sentence and a table.
Without a kernel the same can be had by code: `Study.review`.
"""

import logging
from pathlib import Path

import anywidget
import traitlets

from review.flaws import FLAWS, LIMITS
from review.paper import Study, simulate_study
from review.pictures import published_study, what_was_wrong
from utils.simulation import ParameterError

log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())

DPI = 150


class ReviewForm(anywidget.AnyWidget):
    """The widget: the paper, remarks to tick, a score, the truth on demand, and the next paper.

    The front end writes `answer`: the running number "turn", the "flaws" (name and weight of every remark),
    the "score", and whether the "next" paper is asked for. The kernel writes `paper` (its number, text and
    figure), `verdict` (the "turn" that it answers, the "sentence", the "rows" of the table, the "total" of
    all papers), and `picture`. Pictures are PNGs.
    """

    _esm = Path(__file__).with_name("form.js")
    _css = Path(__file__).with_name("form.css")

    remarks = traitlets.List().tag(sync=True)
    paper = traitlets.Dict().tag(sync=True)
    answer = traitlets.Dict().tag(sync=True, echo_update=False)
    verdict = traitlets.Dict().tag(sync=True)
    picture = traitlets.Bytes().tag(sync=True)

    def __init__(self, study: Study):
        if not isinstance(study, Study):
            raise ParameterError(f"study is a {type(study).__name__}, but it must come from simulate_study.")
        lists = ("What is wrong with this study?", FLAWS), ("And what does it leave open?", LIMITS)
        remarks = [[words, [[name, one.title] for name, one in some.items()]] for words, some in lists]
        self._total = {}  # of every paper, by its number: flaws found and planted, wrong accusations
        blank = {"turn": 0, "flaws": [], "score": None, "next": False}
        super().__init__(remarks=remarks, answer=blank, verdict={"turn": 0})
        self._open(study)
        self.observe(self._compare, "answer")

    def _open(self, study: Study) -> None:
        figure = published_study(study)
        figure.set_dpi(DPI)
        self._study = study
        self.paper = {"number": study.seed, "text": study.paper, "figure": figure._repr_png_()}

    def _compare(self, change) -> None:
        answer, picture, verdict = change["new"], b"", {"sentence": "", "rows": []}
        try:
            if answer["next"]:
                self._open(simulate_study(self._study.seed + 1))
            else:
                picture, verdict = self._judged(dict(answer["flaws"]), answer["score"])
        except Exception as error:  # said where the learner looks, not in a log that nobody sees
            log.exception("the review %s cannot be shown", answer)
            verdict["sentence"] = f"This cannot be shown ({type(error).__name__}: {error})."
        with self.hold_sync():
            self.picture = picture
            self.verdict = verdict | {"turn": answer["turn"], "total": self._said()}

    def _judged(self, weights: dict[str, str], score: float) -> tuple[bytes, dict]:
        review = self._study.review(weights, score)
        figure = what_was_wrong(review)
        figure.set_dpi(DPI)
        rows, said = (
            [],
            {one.title: weights[name] for name, one in (FLAWS | LIMITS).items() if name in weights},
        )
        for title, there, judged, does in review.rows:
            rows.append([title, there, f"{judged} ({said[title]})" if said.get(title) else judged, does])
        # Only what was handed in first counts: after that the truth is known.
        counts = len(review.found), len(self._study.planted), len(review.accused)
        self._total.setdefault(self._study.seed, counts)
        return figure._repr_png_(), {"sentence": review.sentence, "rows": rows}

    def _said(self) -> str:
        papers = len(self._total)
        if papers < 2:
            return ""
        found, planted, wrong = map(sum, zip(*self._total.values(), strict=True))
        return f"All {papers} papers together: {found} of {planted} flaws found, wrong accusations: {wrong}."

    def _repr_mimebundle_(self, **kwargs):
        """The widget; and for front ends without a kernel, what stands on it."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        lines = []
        for question, remarks in self.remarks:
            lines += [question, *(f"[ ] {title}   ({name})" for name, title in remarks)]
        data["text/plain"] = "\n".join([*lines, "And what would its model score at new sites?"])
        return data, metadata
