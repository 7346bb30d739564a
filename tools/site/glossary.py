"""The glossary: every definition of the chapters' sections "Words", with where the word is met."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

#: Words that several chapters define differently, each for its own subject. Both are shown.
SEVERAL = {"aggregate", "contract test", "cqrs", "fold", "funnel", "hash", "idempotent", "lag"}
SEVERAL |= {"at least once", "position", "trigger"}
_ENTRY = re.compile(r"^- +\*\*(.+?)\*\*(?: \((.+?)\))?: +(.+?)(?=\n- |\n\n|\Z)", re.M | re.S)


class GlossaryError(Exception):
    """A word has two definitions that differ."""


@dataclass(frozen=True, slots=True)
class Definition:
    """What one chapter says a word means."""

    word: str
    text: str
    page: str
    title: str
    section: str

    @property
    def key(self) -> str:
        """The word as it is compared: without capitals and code marks."""
        return self.word.replace("`", "").casefold()


def definitions(page: str, title: str, texts: Iterable[str]) -> list[Definition]:
    """The words of a chapter, from its Markdown cells; each with the section where it is met first.

    A word is met where it is set in bold, else in the section "Words" itself.
    """
    section, words = "", ""
    met: dict[str, str] = {}
    for text in texts:
        for part in re.split(r"^(?=## )", text, flags=re.M):
            heading = re.match(r"## +(.+)", part)
            section = heading[1].strip() if heading else section
            if section == "Words":
                words += part
                continue
            for bold in re.findall(r"\*\*(.+?)\*\*", part):
                met.setdefault(bold.casefold(), section)
    found = []
    for word, other, text in _ENTRY.findall(words):
        name = f"{word} ({other})" if other else word
        where = met.get(word.casefold()) or "Words"
        found.append(Definition(name, " ".join(text.split()), page, title, where))
    return found


def page(found: Iterable[Definition]) -> str:
    """The glossary as Markdown. Raises `GlossaryError` when a word has two definitions."""
    by_word: dict[str, list[Definition]] = {}
    for one in found:
        by_word.setdefault(one.key, []).append(one)
    wrong = [
        f"{key}:\n" + "\n".join(f"  {one.page}: {one.text}" for one in several)
        for key, several in by_word.items()
        if key not in SEVERAL and len({one.text.casefold() for one in several}) > 1
    ]
    if wrong:
        raise GlossaryError(
            "A word is defined twice, and differently. Let one chapter define it, or let both say "
            "the same:\n" + "\n".join(wrong)
        )
    lines = ["# Glossary", "", "The words of the course, each as its chapter defines it.", ""]
    for key in sorted(by_word):
        several = by_word[key]
        lines += [f"## {several[0].word}", ""]
        for text in dict.fromkeys(one.text for one in several):
            links = ", ".join(
                f"[{one.title}]({one.page}#{anchor(one.section)})"
                for one in several
                if one.text == text
            )
            lines += [f"{text[0].upper()}{text[1:]} {links}", ""]
    return "\n".join(lines)


def anchor(heading: str) -> str:
    """A heading as JupyterLab writes it in an address."""
    return re.sub(r"[`*]", "", heading).replace(" ", "-")
