"""Questions in SQL, by somebody who may only read: one SELECT, and its rows.

Every place that takes a reader's SQL asks `check_query` (a question) or `check_declaration` (a
statement of a read model). The gate works on the words of the statement: which kind it is, and
which functions it calls. The second line is the engine, which every database of the package closes
with `shut`: no file, no network, no extension, no setting.
"""

from __future__ import annotations

import atexit
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

import duckdb
import pandas as pd

from esnb.errors import AppendOnlyError, QueryError, ReadOnlyError, StoreClosedError

# Every table function of the engine is in one of these two sets, and a test compares them with
# the engine. Allowed are those that compute, or describe the database. The others read files, run
# text as SQL, take addresses in memory, or change the engine; the last four write and are scalar.
_ALLOWED = """
    duckdb_columns duckdb_constraints duckdb_databases duckdb_functions duckdb_indexes
    duckdb_keywords duckdb_memory duckdb_optimizers duckdb_schemas duckdb_sequences duckdb_settings
    duckdb_tables duckdb_triggers duckdb_types duckdb_variables duckdb_views
    generate_series histogram histogram_values icu_calendar_names json_each json_tree
    pg_timezone_names pragma_collations pragma_database_size pragma_platform pragma_show
    pragma_table_info pragma_user_agent pragma_version query query_table range repeat repeat_row
    summary test_all_types test_vector_types unnest
"""
ALLOWED_FUNCTIONS = frozenset(_ALLOWED.split())
_REFUSED = """
    add_grammar_extension arrow_scan arrow_scan_dumb checkpoint create_external_resource
    deregister_external_resource destroy_external_resource disable_logging disable_profiling
    duckdb_approx_database_count duckdb_available_metrics duckdb_connection_count
    duckdb_coordinate_systems duckdb_dependencies duckdb_dialects duckdb_eviction_queues
    duckdb_extension_repositories duckdb_extensions duckdb_external_file_cache
    duckdb_external_resource_types duckdb_external_resources duckdb_grammar_extensions
    duckdb_live_query_metrics duckdb_log_contexts duckdb_logs duckdb_logs_parsed
    duckdb_prepared_statements duckdb_profiling_settings duckdb_secret_type_parameters
    duckdb_secret_types duckdb_secrets duckdb_table_sample duckdb_temporary_files enable_logging
    enable_profiling force_checkpoint glob json_execute_serialized_sql pandas_scan
    parquet_bloom_probe parquet_file_metadata parquet_full_metadata parquet_kv_metadata
    parquet_metadata parquet_page_index parquet_scan parquet_schema pragma_metadata_info
    pragma_storage_info python_arrow_scan python_map_function read_blob read_csv read_csv_auto
    read_duckdb read_json read_json_auto read_json_objects read_json_objects_auto read_ndjson
    read_ndjson_auto read_ndjson_objects read_parquet read_single_csv_file read_single_json_file
    read_single_parquet_file read_text register_external_resource register_external_resource_type
    remove_grammar_extension seq_scan sniff_csv truncate_duckdb_logs which_secret
    currval nextval setval write_log
"""
REFUSED_FUNCTIONS = frozenset(_REFUSED.split())

_FIRST = """
    select from with values table pivot pivot_wider unpivot pivot_longer summarize describe desc
    show
"""
_FIRST_WORDS = frozenset(_FIRST.split())
# What follows the words that change a table, inside a WITH.
_CHANGES = {"insert": ("into", "or"), "delete": ("from",), "merge": ("into",)}
_DECLARED = "SELECT, INSERT, UPDATE, DELETE, MERGE_INTO, CREATE, DROP, ALTER, MULTI"
_CREATED = ("table", "view", "index", "macro", "function")
_BEFORE_KIND = ("or", "replace", "temp", "temporary", "unique")
_INSTEAD = {
    "PRAGMA": "For the columns of a table write DESCRIBE events.",
    "CALL": "For the columns of a table write DESCRIBE events.",
    "COPY": "To write a file, use esnb.interchange, or .df() and pandas.",
    "EXPORT": "To write a file, use esnb.interchange, or .df() and pandas.",
    "TRANSACTION": "Each query is a transaction of its own.",
}


_ONLY_TABLES = (
    "SQL here reads the tables of this database: no files, no network, no settings, nothing of the "
    "engine itself. A file is read with pandas and loaded with append_frame."
)


class Token(NamedTuple):
    """A word, a text or a sign of a statement. Spaces and comments give no token."""

    kind: str  # name, text, escaped (a text with escapes), sign
    text: str  # a name in small letters, a text without its quotes
    start: int = 0  # where it begins in the statement
    quoted: bool = False  # a name in double quotes is never a keyword


_TOKEN = re.compile(
    r"""
      (?P<space>[\s\u200b\u2060\ufeff]+|--[^\r\n]*)
    | (?P<escaped>[eE]'(?:[^'\\]|\\.|'')*')
    | (?P<text>'(?:[^']|'')*')
    | (?P<dollar>\$(?P<tag>[^\W\d]\w*|)\$.*?\$(?P=tag)\$)
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<name>[^\W\d][\w$]*)
    | (?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"/\*|\*/")


@lru_cache(maxsize=256)
def parsed(text: str) -> tuple[duckdb.Statement, ...]:
    """The statements of a text of the package's own: parsing is a tenth of what a short one costs.

    Values are parameters, so that there are few texts.
    """
    return tuple(duckdb.extract_statements(text))


# The engine complains, at the end of a process, of statements that are still there.
atexit.register(parsed.cache_clear)


class Result:
    """The rows of a query, all read already: `df()`, `fetchall()`, `fetchone()`, `columns`."""

    def __init__(self, relation: duckdb.DuckDBPyRelation) -> None:
        self.owner: object = None  # a store closes when nobody has it any more
        self._relation = relation
        self.columns: list[str] = list(relation.columns)
        self._rows: Iterator[tuple[Any, ...]] | None = None

    def df(self) -> pd.DataFrame:
        """The rows as a DataFrame; times are UTC without a zone, as in the tables."""
        with _still_open():
            return self._relation.df()

    def fetchall(self) -> list[tuple[Any, ...]]:
        """The rows as a list of tuples."""
        with _still_open():
            return self._relation.fetchall()

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row, or None after the last."""
        if self._rows is None:
            self._rows = iter(self.fetchall())
        return next(self._rows, None)

    def __repr__(self) -> str:
        return repr(self.df())

    def _repr_html_(self) -> str | None:
        html: str | None = self.df()._repr_html_()  # type: ignore[operator]
        return html


@contextmanager
def _still_open() -> Iterator[None]:
    try:
        yield
    except duckdb.ConnectionException:
        raise StoreClosedError(
            "The store of this result is closed, and its rows went with it. Take them out with "
            "df() or fetchall() before closing, or open the store and ask again."
        ) from None


def select_only(
    cursor: duckdb.DuckDBPyConnection,
    query: str,
    parameters: Sequence[Any] | Mapping[str, Any] | None = None,
) -> Result:
    """Run one SELECT in a read-only transaction; another statement gets the error it deserves."""
    check_query(query)
    cursor.execute("begin transaction read only")
    try:
        relation = cursor.sql(query, params=parameters)
        if relation is None:
            raise QueryError("This statement gives no rows. Ask with SELECT.")
        return Result(relation.materialize())
    except TypeError as error:
        raise QueryError(f"The parameters do not fit the query: {error}") from None
    except duckdb.PermissionException as error:
        raise QueryError(f"{_ONLY_TABLES} Engine: {error}") from None
    finally:
        cursor.rollback()


def shut(connection: duckdb.DuckDBPyConnection, folder: str | None = None) -> None:
    """Close a database to files, network, extensions and changed settings, until it is closed.

    Only files in `folder`, where one is given, can still be read, written and attached.
    """
    if folder is not None:
        connection.execute(f"set allowed_directories = [{_literal(folder)}]")
    connection.execute("set autoinstall_known_extensions = false")
    connection.execute("set autoload_known_extensions = false")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def quoted(name: str) -> str:
    """A name as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def check_query(query: object) -> None:
    """Refuse what is not one SELECT, each with the error that it deserves.

    `QueryError` for a text that is not one statement, or that calls a function which does more
    than compute; `AppendOnlyError` for UPDATE and DELETE; `ReadOnlyError` for other statements.
    """
    if not isinstance(query, str):
        raise QueryError(f"sql() takes the text of a query, found {type(query).__name__}.")
    if query != query.encode(errors="ignore").decode():
        raise QueryError("The query holds half a character (a lone surrogate).")
    statements = duckdb.extract_statements(query)
    if len(statements) != 1:
        raise QueryError(f"sql() runs one query at a time, found {len(statements)} statements.")
    _check_question(query, _kind(statements[0]))


def _kind(statement: duckdb.Statement) -> str:
    try:
        return statement.type.name
    except ValueError:  # a kind that the engine has and its Python half does not know
        return "ANOTHER STATEMENT"


def _check_question(query: str, kind: str) -> None:
    words = tokens(query)
    start = next((n for n, word in enumerate(words) if word.text not in ("(", ";")), 0)
    first = words[start]
    if kind == "EXPLAIN" or (kind == "MULTI" and first.text == "explain"):
        # EXPLAIN ANALYZE runs what it explains: that is judged on its own.
        check_query(query[_after_explain(words, start) :])
        return
    if kind not in ("SELECT", "MULTI") or first.text not in _FIRST_WORDS:
        _refuse(kind if kind != "MULTI" else first.text.upper())
    for before, word, after in zip(words, words[1:], words[2:], strict=False):
        change = _CHANGES.get(word.text) if before.text in ("(", "with") else None
        if change and not word.quoted and after.text in change:
            raise QueryError(
                f"sql() only reads, inside WITH and parentheses too; found {word.text.upper()}."
            )
    _check_functions(words, "sql()")


def _after_explain(words: Sequence[Token], start: int) -> int:
    """Where the statement begins that EXPLAIN explains, after its options."""
    n = start + 1
    if words[n].text == "analyze":
        n += 1
    elif words[n].text == "(" and words[n + 1].text in ("analyze", "format"):
        while words[n].text != ")":
            n += 1
        n += 1
    return words[n].start


def _refuse(kind: str) -> None:
    if kind in ("UPDATE", "DELETE"):
        raise AppendOnlyError(
            "Events are never changed or removed, and sql() only reads. To correct a wrong fact, "
            "append an event that says so."
        )
    hint = _INSTEAD.get(kind, "Events are added with append().")
    raise ReadOnlyError(f"sql() only reads: it runs SELECT, found {kind}. {hint}")


def _check_functions(words: Sequence[Token], where: str) -> None:
    """Refuse calls of functions that do more than compute."""
    for n, word in enumerate(words[:-1]):
        if word.kind != "name" or words[n + 1].text != "(" or words[n + 1].kind != "sign":
            continue
        if word.text in REFUSED_FUNCTIONS:
            raise QueryError(f"{where} cannot call {word.text}(). {_ONLY_TABLES}")
        if word.text in ("query", "query_table"):
            _check_text_as_sql(words[n + 2 :], word.text, where)


def _check_text_as_sql(arguments: Sequence[Token], function: str, where: str) -> None:
    """The text that query() runs is judged like a query; query_table() only takes names."""
    first, last = arguments[0], arguments[1]
    if function == "query":
        if first.kind != "text" or last.text != ")":
            raise QueryError(f"{where}: query() takes one text between quotes, and nothing else.")
        check_query(first.text)
        return
    for token in arguments[: [word.text for word in arguments].index(")")]:
        if token.kind == "escaped" or token.text == "(":
            raise QueryError(f"{where}: query_table() takes names of tables between quotes.")


def names_database(query: str, name: str) -> bool:
    """Whether a text names a database before a dot, also in the texts between its quotes."""
    words = tokens(query)
    for word, after in zip(words, (*words[1:], Token("sign", "")), strict=True):
        if word.kind == "name" and word.text == name.casefold() and after.text == ".":
            return True
        if word.kind in ("text", "escaped") and name.casefold() in word.text.casefold():
            return True
    return False


def check_declaration(text: object, where: str, *, one: bool = False) -> None:
    """Refuse what a read model's declaration must not do: it changes its own tables, no more.

    `where` names the place in the error, a `QueryError`; `one`: a single statement is expected. A
    text with a syntax error passes, since the engine says what is wrong with it when it is run.
    """
    try:
        statements = duckdb.extract_statements(text) if isinstance(text, str) else []
    except (duckdb.ParserException, UnicodeError):
        return
    if not isinstance(text, str) or (one and len(statements) != 1):
        raise QueryError(f"{where} is one statement of SQL, found {text!r:.80}.")
    for statement in statements:
        words = tokens(statement.query)
        made = [word.text for word in words[1:6] if word.text not in _BEFORE_KIND][:1]
        kind = _kind(statement)
        changes_schema = kind in ("CREATE", "DROP", "ALTER")
        if kind not in _DECLARED.split(", ") or (changes_schema and not set(made) & set(_CREATED)):
            found = [kind, *(made if changes_schema else [])]
            raise QueryError(
                f"{where}: a read model changes its own tables, with INSERT, UPDATE, DELETE, MERGE "
                f"and tables or views of its own; found {' '.join(found).upper()}."
            )
        _check_functions(words, where)


@lru_cache(maxsize=256)
def tokens(query: str) -> tuple[Token, ...]:
    """The tokens of a text that the engine has parsed already."""
    found, at = [], 0
    while at < len(query):
        if query.startswith("/*", at):
            at = _after_comment(query, at)
            continue
        match = _TOKEN.match(query, at)
        assert match is not None  # the last alternative takes any character
        start, at, kind, text = at, match.end(), match.lastgroup, match[0]
        if kind == "name":
            found.append(Token("name", text.casefold(), start))
        elif kind == "quoted":
            name = text[1:-1].replace('""', '"').casefold()
            found.append(Token("name", name, start, quoted=True))
        elif kind == "text":
            found.append(Token("text", text[1:-1].replace("''", "'"), start))
        elif kind == "dollar":
            tag = len(match["tag"]) + 2
            found.append(Token("text", text[tag:-tag], start))
        elif kind in ("escaped", "sign"):
            found.append(Token(kind, text, start))
    return tuple(found)


def _after_comment(query: str, at: int) -> int:
    """Where a comment ends; comments nest."""
    depth = 0
    for match in _COMMENT.finditer(query, at):
        depth += 1 if match[0] == "/*" else -1
        if depth == 0:
            return match.end()
    return len(query)


def asked_to_stop(error: RuntimeError) -> BaseException:
    """The KeyboardInterrupt that the engine took for itself while it ran a query; else `error`.

    An interrupt (the stop button of a notebook) that comes in the middle of a query leaves the
    engine as a RuntimeError. Taken for a failure of the query, it would be tried again.
    """
    return KeyboardInterrupt() if str(error) == "Query interrupted" else error
