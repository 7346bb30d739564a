"""Who may do what in a shared store: an owner, writers, and readers.

The owner is the role that connected first, and made the tables. Use it to set up and to give
rights, not to run programs: whoever owns a table can remove its guards. (`verify` shows what was
done then.) A writer may read, append, and keep snapshots; a reader may read. Neither may change or
remove an event, nor make anything of its own in the schema.
"""

from __future__ import annotations

from typing import Literal

from psycopg.sql import SQL, Identifier
from psycopg.sql import Literal as Value

from esnb.errors import InvalidEventError
from esnb.events import check_name
from esnb.outgrow.postgres_connections import Address
from esnb.outgrow.postgres_errors import translated
from esnb.outgrow.postgres_schema import check_schema_name

_READ = """
grant usage on schema {schema} to {role};
grant select on events, chain, snapshots, esnb_format to {role};
"""
_WRITE = """
grant insert on events, chain to {role};
grant insert, delete on snapshots to {role};
-- To lock the row in it; a trigger refuses to change that.
grant select, update on turn to {role};
"""


def add_role(
    url: str,
    name: str,
    *,
    may: Literal["write", "read"],
    password: str | None = None,
    schema: str = "esnb",
) -> None:
    """Make a role that can log in and may write to, or read, the store in a schema.

    `url` is that of the owner, who needs the right to make roles. Without a password, the server
    has to know the role by other means (pg_hba.conf). Raises `ReadOnlyError` for a role without
    that right, `StoreUnavailableError` for a name that is taken.
    """
    check_name("name", name)
    if may not in ("write", "read"):
        raise InvalidEventError(f"may is 'write' or 'read', found {may!r:.60}.")
    address = Address(url, check_schema_name(schema))
    role = Identifier(name)
    make = SQL("create role {role} login password {password};").format(
        role=role, password=Value(password)
    )
    grant = SQL(_READ + _WRITE if may == "write" else _READ).format(
        schema=Identifier(schema), role=role
    )
    with (
        translated(address.name),
        address.open() as connection,
        connection.transaction(),
    ):
        connection.execute(make.as_string() + grant.as_string())


def drop_role(url: str, name: str, *, schema: str = "esnb") -> None:
    """Take all rights from a role and remove it; what it appended stays."""
    check_name("name", name)
    address = Address(url, check_schema_name(schema))
    drop = SQL("drop owned by {role}; drop role {role}").format(role=Identifier(name))
    with translated(address.name), address.open() as connection, connection.transaction():
        connection.execute(drop.as_string())
