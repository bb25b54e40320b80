"""Reports: one page that holds everything it shows, whatever the facts are called."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from maskwright.report import charts
from maskwright.report.page import picture, render, scale_on_page, value_text
from maskwright.report.sections import (
    Bars,
    Facts,
    Gallery,
    Lines,
    MetricRow,
    MetricTable,
    Picture,
    PrecisionRecall,
    Section,
    Series,
    Table,
    Text,
    Warnings,
)  # fmt: skip

EVIL = "<script>alert('x')</script> & \"quotes\""
PIXELS = np.zeros((60, 80, 3), np.uint8)


def every_section(text: str) -> list[Section]:
    """One of each kind with `text` wherever a user's word can stand."""
    curve = Series(text, [0, 0.5, 1], [1, 0.8, 0.2])
    return [
        Facts(text, {text: text, "size": (480, 640)}, note=text),
        MetricTable(text, [MetricRow(text, 0.5, (0.4, 0.6), text), MetricRow(text, None)], interval_label=text),
        Table(text, [text, "n"], [[text, 1]]),
        Lines(text, [curve], label_x=text, label_y=text),
        PrecisionRecall(text, [curve], {text: (0.5, 0.8)}),
        Bars(text, {text: 0.5}, {text: (0.4, 0.6)}, unit=text),
        Gallery(text, [Picture(PIXELS, text)]),
        Text(text, [text]),
        Warnings([text], heading=text),
    ]


EMPTY: list[Section] = [
    Facts("a", {}), MetricTable("b", []), Table("c", ["x"], []), Lines("d", []), Lines("d", [Series("s", [], [])]),
    PrecisionRecall("e", []), Bars("f", {}), Gallery("g", []), Text("h", []), Warnings([]),
]  # fmt: skip


class Checker(HTMLParser):
    """Collects tags, ids and everything that would be fetched."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.ids, self.fetched = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "srcset", "data", "action", "poster") or (name == "href" and tag != "a"):
                self.fetched.append(value)


# --- the page ---------------------------------------------------------------------------------------------------------
def test_a_report_without_sections_is_a_page():
    page = render("party", [])
    assert page.startswith("<!doctype html>") and "<h1>party</h1>" in page and page.rstrip().endswith("</html>")


@pytest.mark.parametrize("section", EMPTY)
def test_an_empty_section_says_so(section):
    assert "Nothing" in render("party", [section])


def test_the_page_loads_nothing_and_runs_only_its_own_script():
    page = render("party", every_section("balloon"))
    seen = Checker(page)
    assert seen.tags.count("script") == 1 and "link" not in seen.tags and "iframe" not in seen.tags
    assert "script-src 'sha256-" in page and "'unsafe-inline'; script" in page and "unsafe-eval" not in page
    assert seen.fetched and all(address.startswith("data:image/") for address in seen.fetched)
    assert "url(" not in page and "@import" not in page and "default-src 'none'" in page


def test_the_test_above_would_notice():
    assert Checker('<script src="http://x/y.js"></script>').fetched == ["http://x/y.js"]


def test_every_word_of_the_user_is_escaped():
    page = render(EVIL, every_section(EVIL), subtitle=EVIL)
    assert Checker(page).tags.count("script") == 1  # the page's own
    assert "<script>alert" not in page and page.count("&lt;script&gt;") > 20


def test_sections_of_one_heading_have_ids_of_their_own():
    ids = Checker(
        render("party", [Text("Loss", ["a"]), Text("Loss", ["b"]), Text("損失", ["c"]), Text("!", ["d"])])
    ).ids
    assert ids == ["loss", "loss-2", "section", "section-2"]


def test_the_page_knows_dark_and_paper():
    page = render("party", [])
    assert "prefers-color-scheme: dark" in page and "@media print" in page


def test_commands_in_a_sentence_are_code_and_never_markup():
    page = render(
        "party",
        [Text("Next", ["see `maskwright show <b>`"], note="or `x`"), Warnings(["`y`"]), Facts("f", {"a": "`z`"})],
    )
    assert "see <code>maskwright show &lt;b&gt;</code>" in page
    assert all(f"<code>{name}</code>" in page for name in "xyz") and "`" not in page


def test_two_tables_of_metrics_stand_side_by_side_and_one_does_not():
    table = MetricTable("m", [MetricRow("AP", 0.5)])
    beside = '<div class="halves">'
    assert beside not in render("party", [table]) and beside not in render("party", [table, Text("t", []), table])
    page = render("party", [Text("t", ["a"]), table, table, Text("t", ["b"])])
    assert page.count(beside) == 1 and page.count("<div") == page.count("</div>")


# --- values and pictures ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (True, "yes"), (False, "no"), (1255, "1,255"), (0.61234, "0.612"), (0.0008, "0.0008"),
        (0.0, "0.000"), (12.04, "12.0"), (3.0, "3.000"), (0.00612, "0.006"), (1.0, "1.000"), (1255.0, "1,255"),
        (math.nan, "–"), ([640, 480], "640, 480"),
        ({"train": 61, "val": 13}, "train 61, val 13"), ([], "–"), (np.float32(0.5), "0.500"),
        (np.int64(7), "7"), ("bf16", "bf16"),
    ],
)  # fmt: skip
def test_values_are_written_as_people_write_them(value, text):
    assert value_text(value) == text


def test_metrics_have_three_decimals_also_where_they_are_tiny():
    page = render("party", [MetricTable("m", [MetricRow("AP", 0.00012, (0.000004, 0.07)), MetricRow("AR", 1)])])
    assert ">0.000<" in page and "0.000 – 0.070" in page and ">1.000<" in page


def test_a_metric_without_a_value_gives_its_reason():
    page = render(
        "party", [MetricTable("How well", [MetricRow("AP small", None, None, "no small objects in the data")])]
    )
    assert "no small objects in the data" in page and "nan" not in page.lower()


def test_a_mistake_has_a_frame_and_a_right_answer_has_none():
    page = render("party", [Gallery("g", [Picture(PIXELS, "a", wrong=True), Picture(PIXELS, "b")])])
    assert page.count('<figure class="mistake">') == 1 and page.count("<figure>") == 1


def test_large_pictures_are_reduced():
    rng = np.random.default_rng(0)
    assert len(picture(rng.integers(0, 255, (3000, 4000, 3), dtype=np.uint8))) < 700_000


def test_a_long_image_keeps_the_pixels_that_its_strips_need():
    assert 4992 * scale_on_page(4992, 646) > 3900 and scale_on_page(300, 200) == 1
    assert 640 * 1e3 < (2000 * scale_on_page(2000, 1600)) ** 2 * 0.8 < 810 * 1e3


# --- charts -----------------------------------------------------------------------------------------------------------
def drawn(chart) -> ElementTree.Element:
    return ElementTree.fromstring(str(chart))  # a chart is well-formed XML


def numbers_in(chart) -> list[float]:
    attributes = [
        value
        for element in drawn(chart).iter()
        for name, value in element.items()
        if name in ("d", "x", "y", "cx", "cy")
    ]
    return [float(number) for value in attributes for number in re.findall(r"-?[\d.]+", value)]


def test_a_line_goes_through_its_points_upwards_for_more():
    chart = charts.lines(Lines("AP", [Series("AP", [1, 2, 3], [0.0, 1.0, 0.5])], range_y=(0, 1)))
    marks = [(float(mark.get("cx", 0)), float(mark.get("cy", 0))) for mark in drawn(chart).iter("circle")]
    assert marks[0][0] < marks[1][0] < marks[2][0]
    assert marks[2][1] == pytest.approx((marks[0][1] + marks[1][1]) / 2) and marks[1][1] < marks[0][1]


def test_a_value_that_is_no_number_leaves_a_gap():
    chart = charts.lines(Lines("loss", [Series("loss", [1, 2, 3, 4], [1.0, math.nan, 0.5, 0.4])]))
    line = next(path for path in drawn(chart).iter("path") if "line" in path.get("class", ""))
    assert line.get("d", "").count("M") == 2 and len(list(drawn(chart).iter("circle"))) == 3


def test_one_epoch_is_a_dot_in_the_middle():
    chart = charts.lines(Lines("loss", [Series("loss", [1], [0.7])]))
    (dot,) = drawn(chart).iter("circle")
    ends = [float(number) for number in re.findall(r'class="axis" d="M(\d+) 268H([\d.]+)', chart)[0]]
    assert float(dot.get("cx", 0)) == pytest.approx(sum(ends) / 2)
    assert [text.text for text in drawn(chart).iter("text") if text.get("y") == "287.0"] == ["1"]


@pytest.mark.parametrize("section", [
    Lines("a", [Series("a", [1, 2], [0, 1])], points={"a": (1.5, 0.5)}),
    PrecisionRecall("a", [Series("a", [0, 1], [1, 0])], {"a": (0.5, 0.5)}),
])  # fmt: skip
def test_an_operating_point_is_a_large_dot_on_its_curve(section):
    chart = charts.lines(section) if isinstance(section, Lines) else charts.precision_recall(section)
    large = [dot for dot in drawn(chart).iter("circle") if dot.get("r") == "5"]
    assert len(large) == 1 and "s0" in large[0].get("class", "")


def test_letters_are_legible_where_a_chart_is_as_narrow_as_a_phone():
    chart = drawn(charts.lines(Lines("a", [Series("a", [1, 2], [0, 1])])))
    letters = float(re.findall(r"--phone:([\d.]+)px", chart.get("style", ""))[0])
    assert letters * charts.PHONE / charts.WIDTH >= 10


def test_a_legend_names_every_curve():
    chart = charts.precision_recall(PrecisionRecall("a", [Series(f"class {n}", [0, 1], [1, 0]) for n in range(9)]))
    assert ["".join(entry.itertext()) for entry in drawn(chart).iter("li")] == [f"class {n}" for n in range(9)]


@given(st.lists(st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), min_size=1, max_size=6), min_size=1, max_size=12))
def test_whatever_is_measured_stays_inside_the_chart(values):
    chart = charts.lines(Lines("loss", [Series(f"s{i}", range(len(ys)), ys) for i, ys in enumerate(values)]))
    if all(math.isnan(y) for ys in values for y in ys):
        assert "Nothing" in chart
    else:
        assert all(-50 <= number <= charts.WIDTH for number in numbers_in(chart))


def test_names_at_the_ends_of_lines_do_not_cover_each_other():
    chart = charts.lines(Lines("loss", [Series(f"s{i}", [1, 2], [1, 0.5 + i * 1e-3]) for i in range(9)]))
    places = sorted(float(text.get("y", 0)) for text in drawn(chart).iter("text") if "series" in text.get("class", ""))
    assert len(places) == 9 and min(np.diff(places)) >= 15


def test_bars_are_as_long_as_their_values():
    chart = charts.bars(Bars("AP", {"a": 0.5, "b": 1.0, "c": None, "d": 0.0}, {"a": (0.4, 0.7), "b": None}, most=1))
    lengths = [float(bar.get("width", 0)) for bar in drawn(chart).iter("rect") if bar.get("class") == "bar"]
    assert lengths[0] == pytest.approx(lengths[1] / 2, abs=0.1) and lengths[2] == 0 and len(lengths) == 3
    assert sum(path.get("class") == "whisker" for path in drawn(chart).iter("path")) == 1


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(2, 10))
def test_ticks_are_round_and_lie_inside(low, width, about):
    assume(width > 1e-9 * abs(low))  # below that there are no numbers left between the ends
    detections = charts.ticks(low, low + width, about)
    assert len(detections) <= about + 1
    assert all(low - width * 1e-3 <= tick <= low + width * 1.001 for tick in detections)
    assert detections == sorted(detections)


def test_ticks_of_epochs_are_whole():
    assert charts.ticks(1, 3, 8, whole=True) == [1, 2, 3]
    assert charts.ticks(0, 1.3, 5) == [0, 0.5, 1.0]
