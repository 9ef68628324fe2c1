"""Pages: every text as it is and as nothing else, the same bytes, and only over their own."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from page_data import NAMES, page
from repository import ROOT

from mergebench.errors import InputError
from mergebench.report.page import (
    Curve,
    CurvePlot,
    Mark,
    Number,
    Page,
    PageColumn,
    PageTable,
    Section,
    page_text,
    write_page,
)
from mergebench.report.page.geometry import drawn_curves


class Read(HTMLParser):
    """The elements, texts and names of a page, as a browser reads them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def attributes(self, name: str) -> list[str]:
        return [str(found[name]) for _, found in self.elements if name in found]


@pytest.fixture(scope="module")
def text() -> str:
    return page_text(page())


@pytest.fixture(scope="module")
def read(text: str) -> Read:
    return Read(text)


def test_text_from_outside_is_text_alone(text: str, read: Read) -> None:
    assert [tag for tag, _ in read.elements].count("script") == 1
    assert "<script>alert" not in text
    shown = "\n".join(read.texts)
    assert all(name in shown for name in NAMES)


def test_attributes_hold_what_they_were_given(read: Read) -> None:
    quote = '"><img src=x onerror=alert(1)>'
    found = Read(page_text(page((quote, *NAMES[1:]))))
    assert "img" not in [tag for tag, _ in found.elements]
    assert quote in found.attributes("title")
    assert any(quote in label for label in found.attributes("aria-label"))


def test_nothing_is_fetched(text: str, read: Read) -> None:
    assert not read.attributes("src")
    assert not re.search(r"url\(|@import|https?:", text)
    assert all(link.startswith("#") for link in read.attributes("href"))


def test_links_lead_to_records_and_names_are_unique(read: Read) -> None:
    names = read.attributes("id")
    assert len(names) == len(set(names))
    links = read.attributes("href")
    assert {link[1:] for link in links} <= set(names)
    assert len([link for link in set(links) if link.startswith("#origin-")]) == 5


def test_only_the_pages_own_script_and_style_may_run(text: str, read: Read) -> None:
    (policy,) = [one for one in read.attributes("content") if "src" in one]
    assert policy.startswith("default-src 'none';")
    for tag in ("script", "style"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        known = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{known}'" in policy


def test_equal_pages_have_equal_bytes_and_equal_origins_one_record(text: str) -> None:
    assert page_text(page()) == text
    assert text.count("<article") == 5


def test_steering_characters_are_escapes() -> None:
    shown = page_text(Page(title="a\x1b[2J\u202eb\ud800"))
    assert "a\\x1b[2J\\u202eb\\ud800" in shown
    shown.encode()


def test_a_row_has_a_cell_per_column() -> None:
    with pytest.raises(ValueError, match="1 cells below 2 columns"):
        PageTable(caption="c", columns=(PageColumn(name="a"), PageColumn(name="b")), rows=(("x",),))


def test_marks_stand_where_their_numbers_are() -> None:
    marks = (Mark(x=0, y=0, text="0"), Mark(x=1, y=50, text="50"), Mark(x=4, y=100, text="100"))
    curve = Curve(name="c", marks=marks)
    plot = CurvePlot(title="t", x_label="x", y_label="y", series=(curve,), y_range=(0, 100))
    drawn = drawn_curves(plot)
    assert [(mark.x, mark.y) for mark in drawn.curves[0].marks] == [(0, 100), (25, 50), (100, 0)]
    assert [(tick.place, tick.text) for tick in drawn.y_ticks][0::5] == [(100, "0"), (0, "100")]
    assert drawn.curves[0].marks[1].label == "c, x 1: 50"


def test_a_plot_without_marks_is_drawn() -> None:
    empty = CurvePlot(title="t", x_label="x", y_label="y", series=())
    assert "<figure" in page_text(Page(title="p", sections=(Section(title="s", plots=(empty,)),)))


def test_a_page_replaces_pages_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "p.html"
    write_page(Page(title="one"), file)
    write_page(Page(title="two"), file)
    assert "<title>two</title>" in file.read_text()
    file.write_text("<html>mine</html>")
    with pytest.raises(InputError, match="not as this command writes it"):
        write_page(Page(title="three"), file)
    assert file.read_text() == "<html>mine</html>"
    write_page(Page(title="three"), file, force=True)
    with pytest.raises(InputError, match=r"ends in \.html"):
        write_page(Page(title="p"), tmp_path / "p.txt")


def test_numbers_are_sorted_by_their_value() -> None:
    number = Number(value=1e-7, text="0.00")
    table = PageTable(caption="c", columns=(PageColumn(name="n"),), rows=((number,),))
    section = Section(title="s", tables=(table, replace(table, folded=True)))
    assert page_text(Page(title="p", sections=(section,))).count('data-value="1e-07"') == 2


def test_the_documented_page_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(
        r"```python\n(.+?)```", (ROOT / "docs" / "report.md").read_text(), re.DOTALL
    )
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert "61.5 to 79.0" in (tmp_path / "audit.html").read_text()
