"""Pages in a real Chromium: nothing fetched, no error, sorted, filtered, read by key and by ear."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import axe_script, browser
from page_data import NAMES, page
from repository import ROOT

from mergebench.report.page import write_page
from mergebench.report.results_page import results_page

pytestmark = pytest.mark.slow

WIDTHS = (400, 1400)
TABLE = "#table-1-1"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page with one of everything, and that of committed results."""
    folder = tmp_path_factory.mktemp("pages")
    return {
        "every": write_page(page(), folder / "every.html"),
        "minilm": write_page(results_page(ROOT / "results" / "minilm"), folder / "minilm.html"),
        "mini_vit": write_page(results_page(ROOT / "results" / "mini_vit"), folder / "vit.html"),
    }


@pytest.fixture
def opened(chromium: Any, files: dict[str, Path]) -> Iterator[Any]:
    """Open a page by name; afterwards nothing was fetched and nothing went wrong."""
    wrong: list[str] = []
    contexts = []

    def open_page(name: str, width: int = 1400, colours: str = "light", **options: Any) -> Any:
        size = {"width": width, "height": 900}
        context = chromium.new_context(viewport=size, color_scheme=colours, **options)
        contexts.append(context)
        view = context.new_page()
        address = files[name].as_uri()
        view.on("console", lambda one: wrong.append(f"console: {one.text}"))
        view.on("pageerror", lambda one: wrong.append(f"error: {one}"))
        view.on("dialog", lambda one: wrong.append(f"dialog: {one.message}"))
        view.on("request", lambda one: one.url != address and wrong.append(f"asked {one.url}"))
        view.goto(address)
        return view

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def column(view: Any, table: str, place: int) -> list[str]:
    """Return the texts of a column, of the rows that are shown."""
    rows = view.locator(f"{table} tbody tr:not([hidden])")
    return [row.strip() for row in rows.locator(f"> :nth-child({place})").all_inner_texts()]


@pytest.mark.parametrize("name", ["every", "minilm", "mini_vit"])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_fits_its_window(opened: Any, name: str, width: int) -> None:
    view = opened(name, width)
    assert view.evaluate("document.documentElement.scrollWidth") <= width
    assert view.locator("h1").is_visible()


def test_names_from_outside_are_shown_and_run_nothing(opened: Any) -> None:
    view = opened("every")
    assert column(view, TABLE, 1) == list(NAMES)
    assert view.locator("body").inner_text().count(NAMES[0]) > 3


def test_columns_are_sorted_by_value_either_way_and_back(opened: Any) -> None:
    view = opened("every")
    heading = view.locator(f"{TABLE} thead th").nth(2)
    states = []
    for _ in range(3):
        heading.get_by_role("button").press("Enter")
        numbers = [text.split()[0] for text in column(view, TABLE, 3)]
        states.append((heading.get_attribute("aria-sort"), numbers))
    assert states == [
        ("ascending", ["-12.50", "3.00", "7.25", "10.00"]),
        ("descending", ["10.00", "7.25", "3.00", "-12.50"]),
        (None, ["3.00", "-12.50", "10.00", "7.25"]),
    ]
    assert view.get_by_role("status").inner_text() == "In the original order."


def test_rows_are_filtered_by_words_and_values(opened: Any) -> None:
    view = opened("minilm")
    holder = view.locator("#table-3-1")
    holder.get_by_label("Filter").fill("ties knots")
    assert set(column(view, "#table-3-1", 2)) == {"TIES", "TIES+DARE"}
    holder.get_by_label("protection").select_option("Trap²")
    assert column(view, "#table-3-1", 1) == ["Trap²", "Trap²"]
    assert holder.locator(".count").inner_text() == "2 of 26 rows"
    assert view.get_by_role("status").inner_text() == "2 of 26 rows"
    holder.get_by_role("button", name="Show all rows").click()
    assert len(column(view, "#table-3-1", 1)) == 26


def test_details_are_columns_that_are_asked_for(opened: Any) -> None:
    view = opened("minilm")
    correct = view.locator("#table-3-1 th", has_text="correct").first
    assert not correct.is_visible()
    view.locator("#table-3-1").get_by_label("all columns").check()
    assert correct.is_visible()


def test_a_number_shows_its_record_and_gives_the_focus_back(opened: Any) -> None:
    view = opened("every")
    view.locator(TABLE).get_by_label("all columns").check()
    mean = view.locator(f"{TABLE} tbody tr").first.locator("a.number").nth(1)
    mean.click()
    dialog = view.get_by_role("dialog")
    assert dialog.locator("h2").inner_text() == f"mean {NAMES[0]}"
    dialog.locator(".parts a").nth(2).click()
    assert dialog.locator("h2").inner_text() == f"{NAMES[2]} alone"
    assert dialog.locator("pre").inner_text() == f'{{"task": "{NAMES[2]}"}}'
    assert dialog.locator("code").inner_text() == f"mergebench {NAMES[2]}"
    dialog.get_by_role("button", name="Back").click()
    assert dialog.locator("h2").inner_text() == f"mean {NAMES[0]}"
    view.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert mean.evaluate("one => one === document.activeElement")


def test_numbers_are_one_stop_and_arrows_lead_on(opened: Any) -> None:
    view = opened("every")
    links = view.locator(f"{TABLE} a.number")
    assert [one.get_attribute("tabindex") for one in links.all()].count("0") == 1
    links.first.focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowLeft"):
        view.keyboard.press(key)
    assert view.evaluate("document.activeElement.textContent") == "10.00"
    view.keyboard.press("Enter")
    assert view.get_by_role("dialog").is_visible()


def test_the_number_under_the_pointer_and_the_keys(opened: Any) -> None:
    view = opened("every")
    tip = view.locator(".tip")
    mark = view.locator("#plot-1-1 .mark").nth(2)
    mark.scroll_into_view_if_needed()
    box = mark.locator(".aim").bounding_box()
    view.mouse.move(box["x"] + box["width"] / 2 + 6, box["y"] + box["height"] / 2 + 4)
    assert tip.inner_text() == f"{NAMES[0]}, scale 2: 20 (1 to 90)"
    view.mouse.move(2, 2)
    assert not tip.is_visible()
    assert view.locator("#plot-1-1 [tabindex='0'].mark").count() == 1
    view.locator("#plot-1-1 [tabindex='0'].mark").focus()
    for key in ("ArrowRight", "ArrowDown"):
        view.keyboard.press(key)
    assert tip.inner_text() == f"{NAMES[1]}, scale 1: 11 (1 to 90)"


def test_light_and_dark_by_the_system_and_by_choice(opened: Any) -> None:
    ink = "getComputedStyle(document.body).color"
    light, dark = opened("every"), opened("every", colours="dark")
    of_light, of_dark = light.evaluate(ink), dark.evaluate(ink)
    assert of_light != of_dark
    light.get_by_label("Dark").check(force=True)
    assert light.evaluate(ink) == of_dark
    light.wait_for_timeout(500)  # the browser keeps it in its own time, in another process
    light.reload()
    assert light.evaluate(ink) == of_dark
    light.get_by_label("System").check(force=True)
    assert light.evaluate(ink) == of_light


def test_paper_has_tables_in_full_and_no_controls(opened: Any) -> None:
    view = opened("minilm", colours="dark")
    view.emulate_media(media="print")
    for part in (".theme", ".tools", "nav", "#records"):
        assert not view.locator(part).first.is_visible(), part
    scroller = view.locator("#table-3-1 .scroller")
    assert scroller.evaluate("one => getComputedStyle(one).maxHeight") == "none"
    assert view.locator("#section-3 .facts code").first.is_visible()
    assert view.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_without_scripts_everything_is_there(opened: Any) -> None:
    view = opened("every", java_script_enabled=False)
    assert view.locator(f"{TABLE} th", has_text="more").is_visible()
    assert not view.locator(".theme").is_visible()
    view.locator(f"{TABLE} a.number").first.click()
    assert view.locator("article:target h3").inner_text() == f"{NAMES[0]} alone"


@pytest.mark.parametrize(
    ("name", "width", "colours"),
    [
        *(("every", width, colours) for width in WIDTHS for colours in ("light", "dark")),
        *(("minilm", 400, "dark"), ("minilm", 1400, "light")),
    ],
)
def test_axe_finds_nothing_serious(opened: Any, name: str, width: int, colours: str) -> None:
    script = axe_script().read_text()
    view = opened(name, width, colours)
    for details in view.locator("main details").all():
        details.evaluate("one => { one.open = !one.closest('#records'); }")
    found = examined(view, script)
    view.locator("a.number:visible").first.click()
    assert found + examined(view, script) == []


def examined(view: Any, script: str) -> list[str]:
    """Return what axe-core finds of serious and critical impact; past the page's own policy."""
    session = view.context.new_cdp_session(view)
    session.send("Runtime.evaluate", {"expression": script})
    view.evaluate("axe.configure({})")
    result = view.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]} ({one['help']})"
        for one in result["violations"]
        if one["impact"] in ("serious", "critical")
    ]
