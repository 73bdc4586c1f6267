"""Take the README's picture: the first panel of lesson 05, live in JupyterLab (`make picture`)."""

import shutil
import tempfile
from pathlib import Path

from live_lab import Browser, serve

ROOT = Path(__file__).resolve().parent.parent
LESSON = "lessons/05_cross_validation_pitfalls.ipynb"


def main():
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "lessons", Path(folder) / "lessons")
        with serve(Path(folder)) as address, Browser(viewport={"width": 1200, "height": 900}) as browser:
            notebook = browser.open(address, LESSON)
            cell = next(i for i, cell in enumerate(notebook.cells()) if "\npanel(" in cell["source"])
            notebook.run(cell)
            panel = notebook.page.locator(".explorable[data-state=refined]").first
            panel.scroll_into_view_if_needed()
            panel.screenshot(path=ROOT / "source/images/panel.png")
            notebook.close()


if __name__ == "__main__":
    main()
