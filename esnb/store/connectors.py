"""Which class opens the store at an address. They are named here and loaded when asked for."""

from __future__ import annotations

import importlib
from typing import Any

from esnb.errors import InvalidEventError

#: The scheme of an address: module and class of its store, and the extra that it needs.
CONNECTORS = {
    "postgresql": ("esnb.outgrow.postgres_store", "PostgresStore", "psycopg", "postgres"),
    "postgres": ("esnb.outgrow.postgres_store", "PostgresStore", "psycopg", "postgres"),
}


def connector(url: object) -> Any:
    """The class for an address such as "postgresql://host/database"; `InvalidEventError` if none.

    A missing package is an `ImportError` that names the extra to install.
    """
    scheme = url.partition("://")[0] if isinstance(url, str) and "://" in url else ""
    if scheme not in CONNECTORS:
        raise InvalidEventError(
            f"connect() takes the address of a server, such as "
            f"'postgresql://ada@localhost/shop', found {url!r:.60}. A file is opened with "
            f"EventStore('shop.duckdb')."
        )
    module, name, package, extra = CONNECTORS[scheme]
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise ModuleNotFoundError(
            f"A store at {scheme}://... needs the package {package!r}, which is not installed: "
            f"pip install 'esnb[{extra}]'",
            name=package,
        ) from None
