"""Take the README's pictures: a panel that is guessed, filled and moved, the head of an audit's report.

    make picture

The panel is the one of lesson 00, on the site's page, where it moves without Python (tools/website.py).
"""

import io
import tempfile
from pathlib import Path

import bake
import website
from live_lab import Browser
from PIL import Image

from audit import audit
from utils.data import load

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "source/images"
LESSON = ROOT / "lessons/00_start_here.ipynb"
LARGEST = 500_000  # bytes
# What is done, and for how many thousandths of a second it is then seen.
STEPS = [
    ("guess 0.5", 1500), ("guess 0.55", 300), ("guess 0.6", 1200),
    ("That is my guess", 2200), ("One study", 900), ("One study", 900), ("One study", 900),
    ("One study", 900), ("A hundred more", 1800), ("All of them", 2600),
    ("features 4", 1200), ("features 3", 1200), ("features 2", 1200), ("features 1", 1200),
    ("features 0", 2600),
    ("Reset", 4000),
]  # fmt: skip


def panel(folder):
    """The moving picture, and its last frame for who wants no motion."""
    call = next(bake.calls(LESSON))
    website.write_site(folder, [call], ROOT / "build/bake")
    frames = []
    with Browser(viewport={"width": 1180, "height": 900}, device_scale_factor=1.5) as browser:
        page = browser.context.new_page()
        page.goto((folder / "lessons/00_start_here.html").as_uri())
        page.add_style_tag(content=".explorable { max-width: 50rem } .explorable details { display: none }")
        live = page.locator(".explorable")
        page.locator("[data-panel]").scroll_into_view_if_needed()
        live.locator(".stage svg").wait_for()
        height = 0
        for what, _ in STEPS:
            _do(page, live, what)
            page.wait_for_timeout(300)
            frames.append(Image.open(io.BytesIO(live.screenshot())).convert("RGB"))
            height = max(height, frames[-1].height)
    whole = [Image.new("RGB", (frame.width, height), "white") for frame in frames]
    for image, frame in zip(whole, frames, strict=True):
        image.paste(frame)
    still, moving = IMAGES / "panel.png", IMAGES / "panel.webp"
    whole[-1].quantize(64, dither=Image.Dither.NONE).save(still, optimize=True)
    times = [time for _, time in STEPS]
    whole[0].save(
        moving, save_all=True, append_images=whole[1:], duration=times, loop=0, quality=80, method=6
    )
    for path in (still, moving):
        if path.stat().st_size > LARGEST:
            raise ValueError(f"{path.name} has {path.stat().st_size:,} bytes, more than {LARGEST:,}.")


def _do(page, live, what):
    """Move the guess or the slider of the features, or press a button."""
    kind, _, value = what.partition(" ")
    if slider := {"guess": ".guess input", "features": ".control:nth-child(2) input"}.get(kind):
        live.locator(slider).evaluate(
            "(slider, to) => { slider.value = to; slider.dispatchEvent(new Event('input')) }", value
        )
    else:
        live.get_by_role("button", name=what, exact=True).click()
        page.evaluate("document.activeElement.blur()")
        page.mouse.move(0, 0)


def report(folder):
    voice = load("parkinsons_voice")
    found = audit(voice.table, label="status", subject="subject_id", features=voice.features)
    page_file = found.save(folder / "report.html")
    with Browser(viewport={"width": 900, "height": 1000}) as browser:
        page = browser.context.new_page()
        page.goto(page_file.as_uri())
        page.screenshot(path=IMAGES / "report.png")


def main():
    with tempfile.TemporaryDirectory() as folder:
        panel(Path(folder) / "site")
        report(Path(folder))


if __name__ == "__main__":
    main()
