"""Make utils/vega.js, the library that draws the panels: Vega, Vega-Lite and Vega-Embed, as pinned.

    make bundle

The three are by the University of Washington Interactive Data Lab and contributors, BSD-3-Clause
(https://github.com/vega). The package vl-convert-python holds them; it is pinned in requirements-test.txt.
"""

from pathlib import Path

import vl_convert

BUNDLE = Path(__file__).parent.parent / "utils" / "vega.js"
NOTICE = """\
/* Vega, Vega-Lite and Vega-Embed, with what they need, in one file: made by tools/bundle.py.
   Copyright (c) University of Washington Interactive Data Lab and contributors. BSD-3-Clause:
   https://github.com/vega/vega/blob/main/LICENSE */
"""
# For all panels of a page: see library() in panel.js.
SNIPPET = "globalThis.honestVega = { vegaEmbed }; globalThis.dispatchEvent(new Event('honest-vega'));"


def bundle() -> str:
    """The file's text, a module of JavaScript that anywidget can load."""
    return NOTICE + vl_convert.javascript_bundle(SNIPPET) + "\nexport default {};\n"


if __name__ == "__main__":
    BUNDLE.write_text(bundle(), encoding="utf-8")
