"""Take the README's pictures: a panel live in JupyterLab, the head of an audit's report (`make picture`)."""

import shutil
import tempfile
from pathlib import Path

from live_lab import Browser, serve

from audit import audit
from utils.data import load

ROOT = Path(__file__).resolve().parent.parent
LESSON = "lessons/05_cross_validation_pitfalls.ipynb"


def panel(folder):
    shutil.copytree(ROOT / "lessons", folder / "lessons")
    with serve(folder) as address, Browser(viewport={"width": 1200, "height": 900}) as browser:
        notebook = browser.open(address, LESSON)
        cell = next(i for i, cell in enumerate(notebook.cells()) if "\npanel(" in cell["source"])
        notebook.run(cell)
        live = notebook.page.locator(".explorable[data-state=refined]").first
        live.scroll_into_view_if_needed()
        live.screenshot(path=ROOT / "source/images/panel.png")
        notebook.close()


def report(folder):
    voice = load("parkinsons_voice")
    found = audit(voice.table, label="status", subject="subject_id", features=voice.features)
    page_file = found.save(folder / "report.html")
    with Browser(viewport={"width": 900, "height": 1000}) as browser:
        page = browser.context.new_page()
        page.goto(page_file.as_uri())
        page.screenshot(path=ROOT / "source/images/report.png")


def main():
    with tempfile.TemporaryDirectory() as folder:
        panel(Path(folder))
        report(Path(folder))


if __name__ == "__main__":
    main()
