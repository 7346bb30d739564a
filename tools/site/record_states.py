"""Run by a kernel at its start, when `run.py notebooks` stores a chapter: note each widget shown.

A widget is noted at the moment it is shown, a line each, in the file named by ESNB_WIDGET_STATES.
"""


def _record() -> None:
    import json
    import os
    from typing import Any

    from esnb.course.widgets.page import PageWidget
    from esnb.course.widgets.store_travel import StoreTravel

    path = os.environ["ESNB_WIDGET_STATES"]

    def listen(kind: Any) -> None:
        shown = kind._repr_mimebundle_

        def noted(self: Any, **options: Any) -> dict[str, Any]:
            bundle: dict[str, Any] = shown(self, **options)
            # The table of a whole store shows a stream below it; that part needs the kernel.
            page = self if isinstance(self, PageWidget) else self.table
            with open(path, "a", encoding="utf-8") as file:
                line = [bundle["text/plain"], bundle["text/html"], page.exported()]
                file.write(json.dumps(line) + "\n")
            return bundle

        kind._repr_mimebundle_ = noted

    listen(PageWidget)
    listen(StoreTravel)


_record()
del _record
