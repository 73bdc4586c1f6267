"""The form of a reviewer: what is wrong with a published study, and what its score is in truth.

Native HTML controls (form.js) with labels of their own, so that it works with the keyboard and a screen
reader. The kernel compares the review with the truth and sends back a picture, a sentence and a table.
Without a kernel the same can be had by code: `Study.review`.
"""

import logging
from pathlib import Path

import anywidget
import traitlets

from review.flaws import FLAWS
from review.paper import Study
from review.pictures import what_was_wrong
from utils.simulation import ParameterError

log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())

DPI = 150


class ReviewForm(anywidget.AnyWidget):
    """The widget: one box to tick for every flaw of `FLAWS`, a score, and the truth on demand.

    The front end writes `answer`: the running number "turn", the names of the "flaws", and the "score". The
    kernel writes `verdict` (the "turn" that it answers, the "sentence", the "rows" of the table) and
    `picture`, a PNG.
    """

    _esm = Path(__file__).with_name("form.js")
    _css = Path(__file__).with_name("form.css")

    flaws = traitlets.List().tag(sync=True)
    answer = traitlets.Dict().tag(sync=True, echo_update=False)
    verdict = traitlets.Dict().tag(sync=True)
    picture = traitlets.Bytes().tag(sync=True)

    def __init__(self, study: Study):
        if not isinstance(study, Study):
            raise ParameterError(f"study is a {type(study).__name__}, but it must come from simulate_study.")
        self._study = study
        super().__init__(
            flaws=[[name, flaw.title] for name, flaw in FLAWS.items()],
            answer={"turn": 0, "flaws": [], "score": None},
            verdict={"turn": 0},
        )
        self.observe(self._compare, "answer")

    def _compare(self, change) -> None:
        answer = change["new"]
        try:
            review = self._study.review(answer["flaws"], answer["score"])
            figure = what_was_wrong(review)
            figure.set_dpi(DPI)
            picture = figure._repr_png_()
            verdict = {"sentence": review.sentence, "rows": [list(row) for row in review.rows]}
        except Exception as error:  # said where the learner looks, not in a log that nobody sees
            log.exception("the review %s cannot be shown", answer)
            sentence = f"This cannot be shown ({type(error).__name__}: {error})."
            picture, verdict = b"", {"sentence": sentence, "rows": []}
        with self.hold_sync():
            self.picture = picture
            self.verdict = verdict | {"turn": answer["turn"]}

    def _repr_mimebundle_(self, **kwargs):
        """The widget; and for front ends without a kernel, what stands on it."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        lines = [f"[ ] {title}   ({name})" for name, title in self.flaws]
        asked = ["What is wrong with this study?", *lines, "And what would its model score at new sites?"]
        data["text/plain"] = "\n".join(asked)
        return data, metadata
