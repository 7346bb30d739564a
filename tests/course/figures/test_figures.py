"""The visual grammar: readable in grey, vermilion for refusals only, the same bytes each time."""

from __future__ import annotations

import io
import itertools

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import colors
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib_inline.backend_inline import _fetch_figure_metadata as print_figure_metadata
from PIL import Image

from esnb import new_event
from esnb.course import figures
from esnb.course.figures import MARKS, VERMILION, mark
from esnb.shop import Account, Order
from esnb.shop.order import ALLOWED

mpl.use("agg")

ORDER = list(ALLOWED)
ACCOUNT = ["AccountOpened", "CreditAdded", "CreditSpent", "CreditReversed"]


def everything():
    """One drawing with each part of the grammar, but without a refusal."""
    ax = figures.canvas(8, top=2, bottom=-2)
    figures.stream(ax, [*ORDER, "SomethingElse"], label="order-1042", cursor=4)
    figures.snapshot(ax, 3)
    figures.command(ax, "ship", 6)
    figures.state_box(ax, 2, -1.5, {"status": "PAID", "total": 2690})
    figures.read_model(ax, 5, -1.5, "order  total", checkpoint=5, end=8)
    figures.changes(ax, 1, 1.5, "+ a 1\n~ b 1 -> 2\n- c 3")
    figures.arrow(ax, (1, 0), (1, -1), "fold")
    return figures.key(ax, MARKS)


def colours_of(ax) -> set[str]:
    found = []
    for artist in ax.get_children():
        for name in ("get_color", "get_facecolor", "get_edgecolor", "get_markerfacecolor"):
            if hasattr(artist, name):
                found.append(getattr(artist, name)())
    return {colors.to_hex(c) for c in found if isinstance(c, str | tuple) and c != "none"}


def test_every_event_type_of_the_shop_has_its_own_code():
    assert {"OrderPlaced", *ORDER, *ACCOUNT} <= set(MARKS)
    assert len({m.code for m in MARKS.values()}) == len(MARKS)
    assert {Order.aggregate_type, Account.aggregate_type} == {"ORDER", "ACCOUNT"}


@pytest.mark.parametrize("family", [ORDER, ACCOUNT])
def test_within_a_stream_every_type_has_its_own_shape(family):
    assert len({MARKS[kind].shape for kind in family}) == len(family)


def test_in_grey_any_two_types_of_the_shop_look_different():
    pictures = {}
    for kind in ORDER + ACCOUNT:
        ax = figures.stream(figures.canvas(1, 0.6, -0.6), [kind], numbers=False)
        figure = ax.get_figure()
        figure.canvas.draw()
        pictures[kind] = np.asarray(figure.canvas.buffer_rgba())[:, :, :3].mean(axis=2)
        mpl.pyplot.close(figure)
    for one, other in itertools.combinations(pictures, 2):
        differing = (abs(pictures[one] - pictures[other]) > 60).sum()
        assert differing > 40, (one, other)


@pytest.mark.parametrize("kind", list(MARKS))
def test_the_code_can_be_read_on_its_fill(kind):
    def luminance(hex_colour: str) -> float:
        channels = np.array(colors.to_rgb(hex_colour))
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        return float(linear @ (0.2126, 0.7152, 0.0722))

    ax = figures.stream(figures.canvas(1), [kind], numbers=False)
    [code] = [t for t in ax.texts if t.get_text() == MARKS[kind].code]
    light, dark = sorted(map(luminance, (code.get_color(), MARKS[kind].hue)), reverse=True)
    mpl.pyplot.close(ax.get_figure())
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_vermilion_is_used_for_a_refusal_and_for_nothing_else():
    ax = everything()
    assert VERMILION not in colours_of(ax)
    assert VERMILION in colours_of(figures.refusal(ax, 4, 0, "too late"))
    cycle = figures.RC["axes.prop_cycle"].by_key()["color"]
    assert VERMILION not in {*cycle, *(m.hue for m in MARKS.values())}
    mpl.pyplot.close(ax.get_figure())


def test_the_same_drawing_gives_the_same_bytes():
    first = figures.png(everything())
    assert first == figures.png(everything())
    assert first.startswith(b"\x89PNG")
    assert not mpl.pyplot.get_fignums()


def test_the_users_settings_do_not_reach_a_figure_and_are_left_alone():
    plain = figures.png(everything())
    mine = {"figure.facecolor": "black", "font.size": 5, "text.color": "white"}
    with mpl.rc_context({**mine, "font.family": "serif"}):
        assert figures.png(everything()) == plain
        assert mpl.rcParams["font.size"] == 5


@pytest.mark.parametrize("count", [0, 1, 2, 30, 200])
@pytest.mark.parametrize("cursor", [None, 0, 1])
def test_streams_of_any_length(count, cursor):
    ax = figures.stream(figures.canvas(4), ["ItemAdded"] * count, label="s", cursor=cursor)
    assert ax.get_xlim()[1] >= count + 0.5
    assert figures.png(ax)


def test_events_and_their_types_are_drawn_alike():
    events = [new_event(kind, event_id=None) for kind in ORDER]
    one = figures.stream(figures.canvas(8), events)
    other = figures.stream(figures.canvas(8), ORDER)
    assert figures.png(one) == figures.png(other)


def test_what_comes_after_the_cursor_fades_and_only_that():
    ax = figures.stream(figures.canvas(4), ORDER[:4], cursor=2)
    faded = [t.get_text() for t in ax.texts if t.get_alpha() == 0.25]
    assert faded == [MARKS[kind].code for kind in ORDER[2:4]]
    mpl.pyplot.close(ax.get_figure())


def test_an_unknown_type_gets_a_mark_that_is_always_the_same():
    assert mark("StickerPrinted").code == "SP"
    assert mark("StickerPrinted") == mark("StickerPrinted")
    assert mark("login").code == "LO"
    shapes = {m.shape for m in MARKS.values()}
    for kind in ("StickerPrinted", "login", "", "§", "42", "a_b"):
        assert mark(kind).shape not in shapes
        assert mark(kind).hue != VERMILION


def test_it_draws_on_any_ax():
    ax = figures.stream(Figure().subplots(), ORDER)
    assert ax.get_figure().canvas is not None


def test_dollar_signs_in_the_data_are_no_formulas():
    ax = figures.stream(figures.canvas(2), ["ItemAdded"], label=r"$\frac$", numbers=[r"$\x$"])
    figures.state_box(ax, 1, 0, {"price": r"$1 and $\nothing$"})
    assert figures.png(ax)


def luminance(colour: str) -> float:
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colors.to_rgb(colour)
    ]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize("page", ["#ffffff", "#111111"])
def test_lines_and_free_text_stand_out_on_a_light_and_on_a_dark_page(page):
    light, dark = sorted((luminance(figures.INK), luminance(page)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) > 4
    assert (luminance(figures.GREY) + 0.05) / (luminance(figures.DARK) + 0.05) > 10


@pytest.mark.parametrize("make", [figures.canvas, figures.chart])
def test_a_figure_has_no_ground_and_jupyter_gives_it_none(make):
    ax = make()
    ax.plot([1, 2], [0, 1])
    figure = ax.get_figure(root=True)
    assert print_figure_metadata(figure) is None
    picture = np.asarray(Image.open(io.BytesIO(figures.png(ax))).convert("RGBA"))
    assert picture[0, 0, 3] == picture[-1, -1, 3] == 0
    assert 0 < (picture[..., 3] > 0).mean() < 0.5


def test_no_free_text_is_dark():
    """What is dark stands on a light fill of its own: a box, or an event's mark."""
    for text in everything().findobj(Text):
        if luminance(text.get_color()) < 0.1 and text.get_text():
            mark_letters = text.get_weight() == "bold"
            assert text.get_bbox_patch() is not None or mark_letters, text.get_text()
