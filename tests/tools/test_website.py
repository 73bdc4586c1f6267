"""The site: its pages and links, and panels that move in a browser alone, from the disk."""

import json
import posixpath
import re
from functools import partial
from html.parser import HTMLParser
from urllib.parse import unquote

import bake
import mathml
import nbformat
import pytest
import website
from axe_playwright_python.sync_playwright import Axe
from browsing import answered, press, seen, turn_of
from harness import ROOT

from utils.code import code_of_one_study
from utils.panel import panel

LESSONS = sorted((ROOT / "lessons").glob("*.ipynb"))
FEW = 60  # studies
SMALL = {
    # Asks for a guess, and shows studies one by one.
    "selection_outside_folds": {"n_scans": [20, 40], "n_features": [20, 1000], "repeats": FEW},
    # Does not ask; nine positions, of which some are kept.
    "external_scaling": {"n_external": 200, "effect": 1.5, "repeats": FEW, "guess": {}},
}


def small(call):
    """A panel of the course with fewer positions and studies."""
    return call._replace(given=call.given | SMALL[call.run.__name__])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of a site with all pages and two small panels, and its panels by name."""
    folder = tmp_path_factory.mktemp("a site ä")
    found = [call for path in (LESSONS[0], LESSONS[7]) for call in bake.calls(path)]
    calls = [small(call) for call in found if call.run.__name__ in SMALL]
    website.write_site(folder / "site", calls, folder / "kept", most=20, jobs=1, tell=lambda line: None)
    return folder / "site", {call.run.__name__: call for call in calls}


# Pages


class Reader(HTMLParser):
    """The names, links, sources and pictures of a page."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.sources, self.pictures = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if tag == "a" and "href" in given else []
        self.sources += [given[name] for name in ("src", "srcset", "data", "poster") if name in given]
        self.sources += [given["href"]] if tag == "link" else []
        self.pictures += [given.get("alt", "")] if tag == "img" else []


@pytest.fixture(scope="module")
def read(site):
    folder, _ = site
    return {
        path.relative_to(folder).as_posix(): Reader(path.read_text("utf-8"))
        for path in folder.rglob("*.html")
    }


def test_every_link_and_every_anchor_leads_somewhere(site, read):
    wrong, followed = [], 0
    for name, page in read.items():
        for link in page.links:
            if re.match("[a-z]+:", link):
                continue
            place, _, anchor = unquote(link).partition("#")
            there = posixpath.normpath(posixpath.join(posixpath.dirname(name), place)) if place else name
            followed += 1
            if not (site[0] / there).is_file() or (anchor and anchor not in read[there].ids):
                wrong.append(f"{name}: {link}")
    assert wrong == [] and followed > 1000


def test_every_page_of_the_course_is_there_and_can_be_reached(read):
    expected = {page.target for page in website.pages().values()}
    assert expected <= set(read)
    start = {posixpath.normpath(link) for link in read["index.html"].links if ":" not in link}
    assert expected <= start
    assert {f"{folder}/{path.stem}.html" for folder in ("lessons",) for path in LESSONS} <= expected
    assert {"REFERENCE.html", "BENCHMARK.html", "LOAD.html", "AUDIT_RATES.html"} <= expected
    assert {"GLOSSARY.html", "CHANGELOG.html", "teaching/index.html"} <= expected


def test_no_page_loads_anything_from_elsewhere(site, read):
    for name, page in read.items():
        for source in page.sources:
            assert not re.match("(?!data:)[a-z]+:|//", source), name
    for path in (site[0] / "assets").glob("site.*"):
        assert not re.search(r"https?:|@import|url\(", path.read_text("utf-8")), path.name


def test_no_markdown_is_left_as_it_was_written(site):
    """As after a fold without an empty line: the words that follow it would keep their stars."""
    left = []
    for path in site[0].rglob("*.html"):
        text = re.search("<main.*</main>", path.read_text("utf-8"), re.S)
        prose = re.sub(r"<(pre|code|math)\b.*?</\1>|<[^>]*>", "", text[0] if text else "", flags=re.S)
        left += [f"{path.name}: {found}" for found in re.findall(r".*(?:\*\*|`|\]\(|\$\$|\|--).*", prose)]
    assert left == []


def test_no_name_stands_twice_on_a_page(read):
    for name, page in read.items():
        assert len(page.ids) == len(set(page.ids)), name


def test_pictures_keep_their_sentences(read):
    """Those that the notebooks have; the others are named by their section."""
    for path in LESSONS:
        pictures = read[f"lessons/{path.stem}.html"].pictures
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                if "image/png" in output.get("data", {}):
                    told = output.metadata.get("image/png", {}).get("alt")
                    there = pictures.pop(0)
                    assert there == told if told else there.startswith("The figure that the code above draws")
        assert pictures == []


def test_a_solution_is_folded_and_its_task_is_not(site):
    text = (site[0] / "solutions/05_cross_validation_pitfalls.html").read_text("utf-8")
    answers = re.findall(r"<details><summary>The solution</summary>(.*?)</details>", text, re.S)
    assert len(answers) >= 4
    open_text = re.sub(r"<details>.*?</details>", "", text, flags=re.S)
    assert "BEGIN SOLUTION" not in text and "leaking_evaluate" in open_text
    exercise = (site[0] / "exercises/05_cross_validation_pitfalls.html").read_text("utf-8")
    assert not any(answer.strip() in exercise for answer in answers)


def test_search_knows_every_section(site, read):
    text = (site[0] / "assets/index.js").read_text("utf-8")
    index = json.loads(text.removeprefix("globalThis.honestIndex = ").removesuffix(";\n"))
    for href, _, heading, _ in index:
        name, _, anchor = href.partition("#")
        assert anchor in read[name].ids and heading
    assert {href.partition("#")[0] for href, *_ in index} == {
        page.target for page in website.pages().values()
    }


def test_a_link_that_leads_nowhere_stops_the_build():
    book = website.pages()
    maker = website.Maker(book["README.md"], book)
    with pytest.raises(ValueError, match=r"README\.md: there is no nowhere\.md"):
        maker.prose("[a](nowhere.md)")


def test_a_file_that_is_no_module_stops_the_build(tmp_path):
    (tmp_path / "a.js").write_text("import b from 'b';\nexport default {};\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"a\.js is not the module"):
        website.plain_script(tmp_path / "a.js", "export default {};", "")


# Formulas


def test_every_formula_of_the_notebooks_is_known():
    found = 0
    for path in [*LESSONS, *sorted((ROOT / "solutions").glob("*.ipynb"))]:
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                for tex in re.findall(r"\$\$(.+?)\$\$", cell.source, re.S):
                    mathml.mathml(tex)
                    found += 1
                assert "$" not in re.sub(r"\$\$.+?\$\$|`[^`]*`", "", cell.source, flags=re.S), path.name
    assert found >= 6


@pytest.mark.parametrize(
    "tex, expected",
    [
        ("T_m", "<msub><mi>T</mi><mi>m</mi></msub>"),
        ("n^2", "<msup><mi>n</mi><mn>2</mn></msup>"),
        ("n_i^2", "<msubsup><mi>n</mi><mi>i</mi><mn>2</mn></msubsup>"),
        (r"\tfrac12", "<mfrac><mn>1</mn><mn>2</mn></mfrac>"),
        (r"\text{a < b}", "<mtext>a &lt; b</mtext>"),
    ],
)
def test_a_formula_is_what_it_says(tex, expected):
    assert f"<mrow>{expected}</mrow>" in mathml.mathml(tex)


@pytest.mark.parametrize("tex", [r"\sum", "{a", "a_", r"\left("])
def test_a_formula_that_is_not_known_is_refused(tex):
    with pytest.raises((ValueError, IndexError)):
        mathml.mathml(tex)


# What is computed beforehand


def every_call():
    return [call for path in LESSONS for call in bake.calls(path)]


@pytest.mark.repetition
@pytest.mark.parametrize("call", every_call(), ids=lambda call: call.name)
def test_every_panel_keeps_its_start_its_ends_and_all_its_choices(call):
    whole = panel(call.run, **call.given | {"repeats": 2})
    kept = bake.thinned(whole)
    count = 1
    for name, at in kept.items():
        control = whole.moved[name]
        assert at == sorted(set(at)) and at[0] == 0 and at[-1] == len(control.values) - 1
        assert whole.start["at"][name] in at and len(at) >= min(3, len(control.values))
        assert control.kind == "slider" or len(at) == len(control.values)
        count *= len(at)
    assert count <= bake.SETTINGS or all(len(at) <= 5 for at in kept.values())
    assert "⟦seed⟧" in bake._code(whole)


def test_what_is_kept_is_what_the_panel_shows(site):
    """Every state that was baked, compared with the panel moved there."""
    call = site[1]["selection_outside_folds"]
    kept = bake.baked(call.run, call.given)
    one = panel(call.run, **call.given)
    compared = 0
    for name, (charts, numbers, shown) in kept["states"].items():
        if shown["studies"] not in (None, 1, 3):
            continue
        # What a move does, at once: where a browser is driven, a loop of events runs.
        position = {"turn": 0, **{part: shown[part] for part in ("at", "seed", "studies")}}
        list(one._steps(position, refine_only=True))
        assert one.shown == shown | {"turn": 0}
        assert kept["charts"][charts] == json.loads(json.dumps(one.charts))
        for tables, exact in zip(numbers, one.numbers, strict=True):
            for table, columns in tables.items():
                for column, number in columns.items():
                    expected = exact[table][column]
                    rounded = kept["columns"][number]
                    if isinstance(expected, list) and len(expected) >= 50:
                        assert rounded == pytest.approx(expected, abs=max(1e-9, max(expected)) / 500)
                    else:
                        assert rounded == expected
        assert bake.key(shown["at"], shown["seed"], shown["studies"]) == name
        compared += 1
    assert compared > 20


def test_what_was_computed_is_kept_until_the_code_changes(site, tmp_path, monkeypatch):
    call = site[1]["external_scaling"]
    first = bake.script(call, tmp_path, 9)
    monkeypatch.setattr(bake, "baked", lambda *_: pytest.fail("computed anew"))
    assert bake.script(call, tmp_path, 9) == first
    with pytest.raises(pytest.fail.Exception):
        bake.script(call._replace(given=call.given | {"repeats": FEW + 1}), tmp_path, 9)


# In a browser, without Python


@pytest.fixture(scope="module")
def browser(chromium):
    from live_lab import Browser

    with Browser(chromium) as browser:
        yield browser


@pytest.fixture
def opened(site, browser):
    """A function that opens a page from the disk; nothing may be asked elsewhere, and nothing complain."""
    browser.outside.clear()
    browser.complaints.clear()
    pages = []

    def at(name):
        page = browser.context.new_page()
        pages.append(page)
        page.wait_for_function = partial(page.wait_for_function, polling=100)
        page.goto((site[0] / name).as_uri())
        return page

    yield at
    for page in pages:
        page.close()
    assert [url for url in browser.outside if not url.startswith(site[0].as_uri())] == []
    assert browser.complaints == []


def shown_panel(page, name):
    """The panel on a page, when it has come."""
    place = page.locator(f"[data-panel$={name}]")
    place.scroll_into_view_if_needed()
    place.locator(".stage svg").first.wait_for()
    return place.locator(".explorable")


def test_a_slider_moves_the_picture_the_headline_and_the_words(site, opened):
    page = opened("lessons/07_an_external_table.html")
    box = shown_panel(page, "external_scaling")
    call = site[1]["external_scaling"]
    sliders = box.get_by_role("slider")
    assert sliders.count() == 2
    before = seen(box)
    for number in range(2):
        press(page, box, sliders.nth(number))
    now = seen(box)
    assert now["picture"] != before["picture"] and now["problem"] is None
    shown = page.locator("[data-panel]").first.evaluate("place => place.model.get('shown').at")
    kept = bake.thinned(panel(call.run, **call.given), 20)
    whole = panel(call.run, **call.given)
    values = {name: whole.moved[name].values[kept[name][i]] for name, i in shown.items()}
    outcome = call.run(repeats=FEW, n_external=200, effect=1.5, **values)
    assert now["sentence"] == now["alt"] == outcome.sentence
    assert box.locator(".headline").inner_text() == outcome.headline
    turn = turn_of(box)
    box.get_by_role("button", name="Reset").click()
    answered(page, box, turn + 1)
    assert seen(box)["sentence"] == before["sentence"]


def test_a_guess_then_one_study_a_hundred_and_all(site, opened):
    page = opened("lessons/00_start_here.html")
    box = shown_panel(page, "selection_outside_folds")
    run, given = site[1]["selection_outside_folds"][3:]
    fixed = {name: value for name, value in given.items() if name in ("n_selected", "effect", "rule")}
    assert box.locator(".headline").inner_text() == ""
    box.locator(".guess input").fill("0.6")
    box.get_by_role("button", name="That is my guess").click()
    answered(page, box, 1)
    first = run(repeats=1, n_scans=40, n_features=1000, **fixed)
    said = f"Your guess: 0.60. In this study it is {first.draws['reported'][0]:.2f}."
    assert box.locator(".said").inner_text() == said
    for turn, (name, count) in enumerate(
        (("One study", 2), ("A hundred more", FEW), ("All of them", FEW)), 2
    ):
        box.get_by_role("button", name=name).click()
        answered(page, box, turn)
        assert box.locator(".status").inner_text() == f"{count} simulated studies"
    outcome = run(repeats=FEW, n_scans=40, n_features=1000, **fixed)
    assert box.locator(".headline").inner_text() == outcome.headline
    for seed in (1, 2, 3, 0):
        box.get_by_role("button", name="New sample").click()
        turn += 1
        answered(page, box, turn)
        other = run(repeats=FEW, seed=seed, n_scans=40, n_features=1000, **fixed)
        assert seen(box)["sentence"] == other.sentence
    assert "asked" in page.locator(".kept").first.get_attribute("class")  # the page says that it holds a few


def test_the_readmes_picture_of_a_panel_is_a_panel_here(opened):
    page = opened("index.html")
    box = shown_panel(page, "selection_outside_folds")
    box.get_by_role("button", name="Show me").click()
    answered(page, box, 1)
    assert box.locator(".headline").inner_text() and page.locator("main picture").count() == 0


def test_the_code_of_one_study_is_that_of_the_setting(site, opened):
    page = opened("lessons/00_start_here.html")
    box = shown_panel(page, "selection_outside_folds")
    box.get_by_role("button", name="Show me").click()
    answered(page, box, 1)
    press(page, box, box.get_by_role("slider").first)
    box.get_by_text("The code of one study").click()
    page.wait_for_function("box => box.querySelector('.code code').textContent", arg=box.element_handle())
    run, given = site[1]["selection_outside_folds"][3:]
    fixed = {name: value for name, value in given.items() if name in ("n_selected", "effect", "rule")}
    expected = code_of_one_study(run, fixed | {"n_scans": 20, "n_features": 1000})
    assert box.locator(".code code").text_content() == expected


NARROW = (
    "index",
    "lessons/00_start_here",
    "lessons/02_overfitting",
    "solutions/05_cross_validation_pitfalls",
)


@pytest.mark.parametrize("name", NARROW)
def test_a_narrow_screen_does_not_scroll_sideways(opened, name):
    page = opened(f"{name}.html")
    page.set_viewport_size({"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.repetition
def test_no_page_scrolls_sideways(opened):
    page, wide = opened("index.html"), []
    page.set_viewport_size({"width": 360, "height": 700})
    for target in [one.target for one in website.pages().values()]:
        page.goto(page.url.split("/site/")[0] + "/site/" + target)
        if page.evaluate("document.documentElement.scrollWidth") > 360:
            wide.append(target)
    assert wide == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible(opened, scheme):
    page = opened("lessons/00_start_here.html")
    page.emulate_media(color_scheme=scheme)
    shown_panel(page, "selection_outside_folds")
    # Without its own reading of the style sheets, which a page from the disk does not allow.
    results = Axe().run(page, options={"preload": False})
    assert results.violations_count == 0, results.generate_report()


def test_search_finds_a_section_and_goes_there(opened):
    page = opened("teaching/index.html")
    page.get_by_label("Search").fill("permutation test")
    page.locator("#found a").first.wait_for()
    assert "permutation test" in page.locator("#found small").first.inner_text().lower()
    page.keyboard.press("Enter")
    page.wait_for_url("**/*.html#*")
    assert page.locator("main h1").count() == 1
