"""How the exercises are checked: one file per exercise, and `judge` with what they share.

In a notebook: ``from checks import overfitting as check``, then ``check.tested_once(honest_score)``.
"""
