"""The review game: a simulated study with planted flaws, the paper about it, and the form of its reviewer."""

from review.flaws import FLAWS, LIMITS
from review.form import ReviewForm
from review.paper import Study, simulate_study
from review.pictures import published_study, what_was_wrong
from review.verdict import Review

__all__ = ["FLAWS", "LIMITS", "Review", "ReviewForm", "Study"]
__all__ += ["published_study", "simulate_study", "what_was_wrong"]
