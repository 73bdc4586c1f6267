"""Formulas as MathML, which browsers show without any script: the little TeX that the lessons use.

What is not known here is refused, so that no formula reaches a page by half.
"""

import html
import re

TOKEN = re.compile(r"\\text\{[^}]*\}|\\[a-zA-Z]+|\\[,;]|\d+(?:\.\d+)?|\S")
SIGNS = {"\\Phi": "Φ", "\\approx": "≈", "\\cdot": "·", "\\le": "≤", "\\ge": "≥", "-": "−"}
SPACES = {"\\,": "0.17em", "\\;": "0.28em", "\\quad": "1em", "\\qquad": "2em"}
SCRIPTS = {"_": "sub", "^": "sup"}


def mathml(tex: str) -> str:
    """A displayed formula; its TeX is kept as a note for who copies it."""
    tokens = TOKEN.findall(tex)
    inner = _row(tokens, None)
    note = f'<annotation encoding="application/x-tex">{html.escape(tex.strip())}</annotation>'
    return f'<span class="scroll"><math display="block"><semantics>{inner}{note}</semantics></math></span>'


def _row(tokens: list[str], end: str | None) -> str:
    """What stands up to `end`; the tokens are used up."""
    parts = []
    while tokens and tokens[0] != end:
        part, scripts = _atom(tokens), {}
        while tokens and tokens[0] in SCRIPTS:
            kind = SCRIPTS[tokens.pop(0)]
            scripts[kind] = _atom(tokens)
        if scripts:
            kind = "".join(kind for kind in ("sub", "sup") if kind in scripts)
            ordered = "".join(scripts[kind] for kind in ("sub", "sup") if kind in scripts)
            part = f"<m{kind}>{part}{ordered}</m{kind}>"
        parts.append(part)
    if end is not None:
        if not tokens:
            raise ValueError(f"A formula lacks its {end}.")
        tokens.pop(0)
    return f"<mrow>{''.join(parts)}</mrow>"


def _digit(tokens: list[str]) -> str:
    """The argument of a fraction: TeX takes one digit of a number."""
    if tokens and len(tokens[0]) > 1 and tokens[0].isdigit():
        tokens[:1] = list(tokens[0])
    return _atom(tokens)


def _atom(tokens: list[str]) -> str:
    if not tokens:
        raise ValueError("A formula ends too early.")
    one = tokens.pop(0)
    if one == "{":
        return _row(tokens, "}")
    if one.startswith("\\text"):
        return f"<mtext>{html.escape(one[6:-1])}</mtext>"
    if one in ("\\frac", "\\tfrac"):
        return f"<mfrac>{_digit(tokens)}{_digit(tokens)}</mfrac>"
    if one == "\\sqrt":
        return f"<msqrt>{_atom(tokens)}</msqrt>"
    if one == "\\left":
        opened = tokens.pop(0)
        inside = _row(tokens, "\\right")
        return f"<mrow><mo>{opened}</mo>{inside}<mo>{tokens.pop(0)}</mo></mrow>"
    if one in SPACES:
        return f'<mspace width="{SPACES[one]}"></mspace>'
    if one[0] == "\\" and one not in SIGNS:
        raise ValueError(f"{one} in a formula is not known to tools/mathml.py.")
    if one[0].isdigit():
        return f"<mn>{one}</mn>"
    if one.isalpha() or one == "\\Phi":
        return f"<mi>{SIGNS.get(one, one)}</mi>"
    return f'<mo stretchy="false">{html.escape(SIGNS.get(one, one))}</mo>'
