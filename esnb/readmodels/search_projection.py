"""How documents to search are declared. What runs a declaration is in `search.py`."""

from __future__ import annotations

from typing import Any, ClassVar

from esnb.event_json import Json
from esnb.events import Event


class SearchProjection:
    """The declaration of documents: derive from it, name the `fields`, write `apply`.

    `fields` are the keys of a document that can be searched, each with its weight in the ranking; a
    key may hold text, or lists and mappings with text in them. Raise `version` with every change.
    """

    fields: ClassVar[dict[str, float]] = {}
    version: ClassVar[int] = 1

    def apply(self, document: Json, event: Event) -> Json | None:
        """The document of `event.aggregate_id` after this event; a new one starts as `{}`.

        None: the event changes nothing, or the aggregate has no document.
        """
        raise NotImplementedError

    @classmethod
    def declaration(cls) -> dict[str, Any]:
        """What decides the documents, apart from the code of `apply`; JSON can hold it."""
        return {"fields": {name: float(weight) for name, weight in cls.fields.items()}}
