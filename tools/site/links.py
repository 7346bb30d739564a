"""Check the pages that came out: each link, anchor and picture is there, and nothing is fetched."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

#: Attributes by which a page loads something by itself.
_LOADS = {("script", "src"), ("img", "src"), ("source", "src"), ("link", "href"), ("iframe", "src")}


class _Page(HTMLParser):
    """The ids and the links of one page; what it loads by itself is marked."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.ids: set[str] = set()
        self.links: list[tuple[str, bool]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.ids.add(value)
            elif name in ("href", "src") and value is not None:
                self.links.append((value, (tag, name) in _LOADS))
            elif name == "srcset" and value:
                self.links += [(part.split()[0], True) for part in value.split(",")]


def check(folder: Path) -> tuple[list[str], list[str]]:
    """What is broken in a folder of pages, a line each, and the addresses outside that it names."""
    read = {
        path: _Page(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))
    }
    broken, outside = [], set()
    for path, page in read.items():
        name = path.relative_to(folder).as_posix()
        for link, loads in page.links:
            if link.startswith(("data:", "mailto:")):
                continue
            if "://" in link or link.startswith("//"):
                outside.add(link)
                if loads:
                    broken.append(f"{name}: loads {link} from the network")
                continue
            address, anchor = urldefrag(link)
            address = unquote(address.partition("?")[0])
            target = (path.parent / address).resolve() if address else path
            if not target.is_file():
                broken.append(f"{name}: {link} leads to no file")
            elif anchor and target in read and unquote(anchor) not in read[target].ids:
                broken.append(f"{name}: {link} leads to no such place")
    return broken, sorted(outside)
