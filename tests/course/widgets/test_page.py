"""What the widgets share: the page of a view, its style, and what is beside it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any, ClassVar

import pytest
import traitlets

from esnb.course.widgets import Lag, Race
from esnb.course.widgets.page import STATIC, PageWidget, image, in_script, module, style
from esnb.errors import InvalidEventError
from tests.node import NODE

VIEWS = sorted(path.stem for path in STATIC.glob("*.js"))
EVIL = "</script><!-- <b>&amp;</b> \u2028"


class Small(PageWidget, view="race"):
    """A widget with the least that one needs."""

    _begins_with: ClassVar[tuple[str, ...]] = ("number",)
    _columns: ClassVar[tuple[str, ...]] = ("question", "answer")
    number = traitlets.Int(3).tag(sync=True)

    def _title(self) -> str:
        return EVIL

    def _still(self) -> str:
        return "<p>still</p>"

    def __repr__(self) -> str:
        return "<small>"


def part(page: str, name: str) -> Any:
    found = re.search(rf'id="{name}">(.*?)</script>', page, re.S)
    assert found
    return json.loads(found[1])


def test_a_module_has_each_file_once_and_imports_nothing() -> None:
    for view in VIEWS:
        text = module(view)
        assert not re.search(r"^\s*(import|export (?!default))", text, re.M)
        assert text.count("function dress(") == 1
        assert text.count("export default") == 1
        assert text.index("function dress(") < text.index("export default")


def test_the_modules_of_a_view_are_the_files_and_nothing_else() -> None:
    """Each name that one file takes from another is one that the other one gives."""
    files = {path.relative_to(STATIC): path.read_text() for path in STATIC.rglob("*.js")}
    for path, text in files.items():
        given = set(
            re.findall(r"^export (?:const|class|function|async function) (\w+)", text, re.M)
        )
        bound = re.findall(
            rf"const \{{([^}}]*)\}} = \{name_of(path)};", "".join(map(module, VIEWS))
        )
        for name in {name.strip() for names in bound for name in names.split(",")} - {""}:
            assert name in given, f"{path}: {name}"
    inside = {name_of(path) for path in files}
    parts = "".join(map(module, VIEWS))
    assert set(re.findall(r"^const (\$\w+) = ", parts, re.M)) <= inside
    assert len(inside) > 30
    types_only, entries = {"$timetravel_types"}, {f"${view}" for view in VIEWS}
    assert inside - set(re.findall(r"\$\w+", parts)) <= types_only | entries


def name_of(path: Path) -> str:
    return "$" + "_".join(path.with_suffix("").parts)


def test_node_runs_what_the_page_gets(tmp_path: Path) -> None:
    if NODE is None:
        pytest.skip("no node on this machine")
    for view in VIEWS:
        path = tmp_path / f"{view}.mjs"
        path.write_text(module(view), encoding="utf-8")
        code = f"const made = (await import({json.dumps(path.as_uri())})).default();"
        code += "console.log(Object.keys(made).join());"
        done = subprocess.run(
            [NODE, "--input-type=module", "-e", code], capture_output=True, text=True
        )
        assert (done.stdout.strip(), done.stderr) == ("initialize,render", ""), view


def test_every_selector_of_a_style_is_of_one_widget() -> None:
    for view in ("race", "lag"):
        text = re.sub(r"/\*.*?\*/", "", style(view), flags=re.S)
        while "(" in text:
            text = re.sub(r"\([^()]*\)", "", text)
        selectors = re.findall(r"(?:^|[{}])\s*([^{}@;]+)\{", text)
        assert len(selectors) > 80
        for one in ",".join(selectors).split(","):
            assert one.strip().startswith(f".esnb-{view}"), one
    assert ".esnb-tt button" in style("race", "esnb-tt")


def test_a_colour_has_a_fallback() -> None:
    for view in ("race", "lag"):
        assert re.findall(r"var\(--jp-[\w-]+\)", style(view)) == []
        assert "prefers-color-scheme" not in style(view)


def test_the_page_begins_as_the_widget_is() -> None:
    made = Small({"evil": EVIL}, number=7, projector=True)
    made._answers = [{"question": EVIL, "answer": "a", "more": 1}]
    page = made._page("light")
    assert part(page, "payload") == {"evil": EVIL}
    assert part(page, "state") == {"number": 7, "projector": True, "_answers": made._answers}
    assert page.count(EVIL) == 0
    assert page.count("<title>&lt;/script&gt;") == 1
    assert json.loads(made._payload) == {"evil": EVIL}
    assert made.answers.to_dict("records") == [{"question": EVIL, "answer": "a"}]
    assert list(Small({}).answers.columns) == ["question", "answer"]


def test_json_cannot_end_its_script() -> None:
    text = in_script({"a": EVIL})
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == {"a": EVIL}


def test_beside_the_view_stand_text_and_html() -> None:
    made = Small({})
    bundle = made._repr_mimebundle_()
    assert (bundle["text/plain"], bundle["text/html"]) == ("<small>", "<p>still</p>")
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == made.model_id
    frame = made.static(300)
    assert repr(frame) == "<page of small>"
    assert frame._repr_html_().startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    assert 'sandbox="allow-scripts"' in frame._repr_html_()
    assert "height:300px" in frame._repr_html_()


def test_a_picture_has_its_text() -> None:
    assert image(b"\x89PNG", 'a "b" <c>') == (
        '<img alt="a &quot;b&quot; &lt;c&gt;" src="data:image/png;base64,iVBORw==">'
    )


def test_to_html_gives_its_path_and_names_a_wrong_theme(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    assert Small({}).to_html(path, theme="dark") == path
    assert 'data-theme="dark"' in path.read_text(encoding="utf-8")
    with pytest.raises(InvalidEventError, match=r"theme is one of .* found 'blue'"):
        Small({}).to_html(path, theme="blue")  # type: ignore[arg-type]


def test_two_views_have_their_own_code() -> None:
    assert Race._esm != Lag._esm
    assert Race._css != Lag._css
    assert type("Mine", (Race,), {})()._esm == Race._esm
