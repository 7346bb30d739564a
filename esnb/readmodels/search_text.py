"""Words: which ones a text has, which documents have words near them, and where they are shown."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping

import tantivy

from esnb.errors import QueryError
from esnb.event_json import Json

TYPO_FROM = 4  # letters: one letter off in a shorter word gives another word

WORDS = (
    tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    .filter(tantivy.Filter.lowercase())
    .filter(tantivy.Filter.ascii_fold())
    .build()
)


def query_of(
    schema: tantivy.Schema, fields: Mapping[str, float], text: str, where: Mapping[str, str]
) -> tantivy.Query:
    """The documents that have all words of a text, and in some fields certain words."""
    parts = [tantivy.Query.term_query(schema, "kind", "document")]
    for field, wanted in where.items():
        if field not in fields:
            raise QueryError(f"{field!r} is not a field. The fields are: {', '.join(fields)}.")
        parts += [tantivy.Query.term_query(schema, field, word) for word in WORDS.analyze(wanted)]
    parts += [_any_field(schema, fields, word) for word in WORDS.analyze(text)]
    return tantivy.Query.boolean_query([(tantivy.Occur.Must, part) for part in parts])


def _any_field(schema: tantivy.Schema, fields: Mapping[str, float], word: str) -> tantivy.Query:
    should, off, parts = tantivy.Occur.Should, int(len(word) >= TYPO_FROM), []
    for field, weight in fields.items():
        exact = tantivy.Query.term_query(schema, field, word)
        near_it = tantivy.Query.fuzzy_term_query(schema, field, word, distance=off, prefix=True)
        parts.append((should, tantivy.Query.boost_query(exact, weight)))
        parts.append((should, tantivy.Query.boost_query(near_it, weight / 10)))
    return tantivy.Query.boolean_query(parts)


def highlights(source: Json, fields: Iterable[str], words: list[str]) -> dict[str, str]:
    """The fields with words that were found, as HTML, escaped, the words in `<em>`."""
    # The engine's own highlighter knows exact words only; here the near ones are marked too.
    marked = {}
    for field in fields:
        text, out, end = text_of(source.get(field)), "", 0
        for token in WORDS.pre_tokenize(text).tokens:
            if any(near(word, token.text) for word in words):
                begin, stop = token.char_offset_from, token.char_offset_to
                out += html.escape(text[end:begin])
                out += f"<em>{html.escape(text[begin:stop])}</em>"
                end = stop
        if end:
            marked[field] = out + html.escape(text[end:])
    return marked


def text_of(value: object) -> str:
    """All text in a value of a document; the values of lists and mappings are joined by a bar."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return " | ".join(filter(None, map(text_of, value)))
    return ""


def near(word: str, token: str) -> bool:
    """Does the token begin with the word, or, from four letters on, with one letter off?"""
    if token.startswith(word):
        return True
    if len(word) < TYPO_FROM:
        return False
    at = next(n for n, letter in enumerate(word) if token[n : n + 1] != letter)
    rest, other = word[at:], token[at:]
    return (
        other.startswith(rest[1:])  # one letter too many
        or other[1:].startswith(rest)  # one missing
        or other[1:].startswith(rest[1:])  # one wrong
        or other.startswith(rest[1:2] + rest[:1] + rest[2:])  # two swapped
    )
