"""The gate for SQL that a reader writes: the same attempts at every place that takes any."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from esnb import EsnbError, EventStore, Projection, Projector, QueryError, new_event
from esnb.readmodels.projection import handles
from esnb.store.readonly_sql import ALLOWED_FUNCTIONS, REFUSED_FUNCTIONS, tokens

# {out} is a file that must not appear, {secret} one that must not be read; T and A stand for a
# table of the place that is asked, and a column of numbers in it.
ATTEMPTS = [
    "select * from read_csv('{secret}')",
    "select * from read_csv_auto('{secret}')",
    "SELECT * FROM READ_CSV('{secret}')",
    "select * from \"read_csv\"('{secret}')",
    "select * from main.read_csv('{secret}')",
    "select * from system.main.read_csv('{secret}')",
    "select * from read_csv/* here */('{secret}')",
    "select * from read_csv -- here\n ('{secret}')",
    "select * from read_csv\u00a0('{secret}')",
    "select * from read_csv\u200b('{secret}')",
    "select * from read_csv(['{secret}'])",
    "select * from read_csv($${secret}$$)",
    "select * from read_csv(e'{secret}')",
    "select (select content from read_text('{secret}'))",
    "select 1 where exists (from read_text('{secret}'))",
    "from read_text('{secret}')",
    "from read_blob('{secret}')",
    "from read_json('{secret}')",
    "from read_json_auto('{secret}')",
    "from read_json_objects('{secret}')",
    "from read_ndjson('{secret}')",
    "from read_ndjson_objects('{secret}')",
    "from read_parquet('{secret}')",
    "from parquet_scan('{secret}')",
    "from parquet_metadata('{secret}')",
    "from parquet_schema('{secret}')",
    "from parquet_kv_metadata('{secret}')",
    "from parquet_file_metadata('{secret}')",
    "from read_duckdb('{secret}')",
    "from sniff_csv('{secret}')",
    "from glob('{folder}/*')",
    "select * from glob('/*')",
    "from '{secret}'",
    'from "{secret}"',
    "select * from '{folder}/*.csv'",
    "describe '{secret}'",
    "summarize '{secret}'",
    "describe select * from read_csv('{secret}')",
    "summarize select * from read_csv('{secret}')",
    "with a as (from read_csv('{secret}')) from a",
    "with a as materialized (select * from read_text('{secret}')) select * from a",
    "pivot (from read_csv('{secret}', names = ['a'])) on a using count(*)",
    "unpivot (from read_csv('{secret}', names = ['a'])) on a",
    "from (pivot (from read_csv('{secret}', names = ['a'])) on a)",
    "from query('from read_csv(''{secret}'')')",
    "from query($$from read_text('{secret}')$$)",
    "from query('from query(''from checkpoint()'')')",
    "from query('from read' || '_text(''{secret}'')')",
    "from query(e'from read\\x5ftext(\\'{secret}\\')')",
    "from query('insert into t values (1)')",
    "from query_table('{secret}')",
    "from query_table(['{secret}'])",
    "from query_table(concat('{folder}', '/secret.csv'))",
    "select * from json_execute_serialized_sql(json_serialize_sql('select 1'))",
    "explain select * from read_csv('{secret}')",
    "explain analyze select * from read_csv('{secret}')",
    "explain (analyze, format json) select * from read_csv('{secret}')",
    "explain analyze copy (select 1) to '{out}'",
    "explain copy (select 1) to '{out}'",
    "explain (analyze) copy (select 1) to '{out}'",
    "/* a /* b */ */ explain -- c\n analyze /* d */ copy (select 1) to '{out}'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{out}' (FORMAT PARQUET)",
    "explain analyze create table esnb_new as select 1",
    "explain analyze attach '{out}' as other",
    "copy (select 1) to '{out}'",
    "copy (from read_text('{secret}')) to '{out}'",
    "export database '{out}'",
    "import database '{folder}'",
    "copy from database memory to other",
    "attach '{out}' as other",
    "attach '{out}' as other (read_only)",
    "attach ':memory:' as other",
    "attach if not exists '{out}'",
    "detach memory",
    "use other",
    "install httpfs",
    "force install httpfs",
    "load httpfs",
    "load '{secret}'",
    "update extensions",
    "select * from enable_logging(storage_path = '{out}')",
    "from enable_logging('QueryLog', storage = 'file', storage_path = '{out}')",
    "call enable_logging(storage_path = '{out}')",
    "from disable_logging()",
    "from truncate_duckdb_logs()",
    "from duckdb_logs()",
    "select write_log('x')",
    "select 1 + coalesce(write_log('x', level := 'error'), 0)",
    "from enable_profiling(save_location = '{out}')",
    "from disable_profiling()",
    "pragma enable_profiling",
    "pragma profiling_output = '{out}'",
    "pragma database_size",
    "pragma memory_limit = '1GB'",
    "set threads = 1",
    "set global threads = 1",
    "set enable_external_access = true",
    "set variable esnb_position = 99",
    "set temp_directory = '{folder}'",
    "set extension_directory = '{folder}'",
    "reset lock_configuration",
    "reset global enable_external_access",
    "from checkpoint()",
    "from force_checkpoint()",
    "select * from checkpoint('memory')",
    "select (select count(*) from checkpoint())",
    "call checkpoint()",
    "call pragma_version()",
    "checkpoint",
    "force checkpoint",
    "vacuum",
    "analyze",
    "from pandas_scan(0)",
    "from arrow_scan(0, 0, 0)",
    "from python_map_function(1)",
    "from seq_scan()",
    "from add_grammar_extension('x')",
    "from register_external_resource('x')",
    "from duckdb_secrets()",
    "from which_secret('s3://x', 's3')",
    "create secret s (type s3)",
    "create persistent secret s (type s3)",
    "drop secret s",
    "select nextval('s')",
    "select currval('s')",
    "prepare p as select 1",
    "execute p",
    "deallocate p",
    "begin",
    "begin transaction",
    "commit",
    "rollback",
    "select 1; copy (select 1) to '{out}'",
    "select 1; select * from read_text('{secret}')",
    "; attach '{out}' as other; select 1",
    "begin; copy (select 1) to '{out}'; commit",
    "create schema other",
    "create type mood as enum ('a')",
    "create sequence s",
    "drop schema main cascade",
    "comment on table t is 'x'",
]
WRITES = [
    "insert into T values (1)",
    "insert or replace into T values (1)",
    "update T set A = 2",
    "delete from T",
    "truncate T",
    "merge into T using (select 1 as b) on true when matched then delete",
    "drop table T",
    "alter table T add column b int",
    "create table other (a int)",
    "create or replace temp table events as select 1",
    "create temp view events as select 1",
    "create macro f() as 1",
    "with x as (insert into T values (1) returning *) from x",
    "with x as (delete from T returning *) select * from x",
    "select 1; delete from T",
    "explain analyze insert into T values (1)",
    "explain analyze delete from T",
]
READS = [
    "select count(*) from T",
    "from T",
    "(from T)",
    "table T",
    "values (1), (2)",
    "from T select A where A > 0 order by all limit 1",
    "with x as (from T) from x",
    "with recursive r(n) as (select 1 union all select n + 1 from r where n < 3) from r",
    "select A, row_number() over (order by A) from T qualify row_number() over (order by A) = 1",
    "select [x + 1 for x in [1, 2, 3] if x > 1]",
    "select list_transform([1, 2], lambda x: x + 1)",
    "pivot T on A using count(*)",
    "pivot T on A in (1, 2) using count(*)",
    "from (pivot T on A using count(*))",
    "with p as (pivot T on A using count(*)) from p",
    "unpivot (select 1 as x, 2 as y) on x, y into name n value v",
    "summarize T",
    "summarize select 1 as a",
    "describe T",
    "desc T",
    "describe select 1",
    "from (describe T)",
    "show tables",
    "show all tables",
    "show databases",
    "explain select 1",
    "explain from T",
    "explain (select 1)",
    "explain analyze from T",
    "explain (analyze) select 1",
    "explain (format json) select 1",
    "explain pivot T on A",
    "/* why */ select 1 -- because",
    "select 1;",
    "select 'read_csv(''x'')', $$ copy ; $$, \"A\" from T",
    "select 1 as read_csv, 2 as \"checkpoint\"",
    "from range(3)",
    "from generate_series(1, 3)",
    "select unnest([1, 2])",
    "from unnest([1, 2])",
    "from json_each('{\"a\": 1}')",
    "from json_tree('{\"a\": 1}')",
    "select count(*) from duckdb_tables()",
    "select column_name from information_schema.columns",
    "from pragma_table_info('T')",
    "from query('from T')",
    "from query_table('T')",
    "from histogram_values(T, A)",
    "select A from T tablesample reservoir(1 rows)",
    "from T positional join T as u",
    "from T asof join T as u on T.A >= u.A",
    "select coalesce(max(A) filter (where A > 0), 0) from T group by grouping sets ((), (A))",
]  # fmt: skip


class Rows(Projection):
    tables = {"t": "a bigint"}  # noqa: RUF012
    sql = "insert into t select position from new_events"


class Places:
    """Every place that takes a reader's SQL, over one event."""

    def __init__(self, folder: Path) -> None:
        self.store = store = EventStore(folder / "s.duckdb")
        store.append("a", [new_event("X")], expected_version=0, aggregate_type="X")
        self.projectors = [Projector(store, Rows), Projector(store, Rows, folder / "read.duckdb")]
        for projector in self.projectors:
            projector.catch_up()
        past = store.as_of(1)
        self.all = {
            "store": (store, "events", "position"),
            "as_of": (past, "events", "position"),
            "known_by": (store.known_by("9999-01-01T00:00:00Z"), "events", "position"),
            "projector": (self.projectors[0], "t", "a"),
            "projector of a file": (self.projectors[1], "t", "a"),
        }

    def ask(self, name: str, query: str) -> list[tuple[Any, ...]]:
        place, table, column = self.all[name]
        query = re.sub(r"\bA\b", column, re.sub(r"\bT\b", table, query))
        found: list[tuple[Any, ...]] = place.sql(query).fetchall()
        return found


NAMES = ["store", "as_of", "known_by", "projector", "projector of a file"]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    made = Places(tmp_path_factory.mktemp("places"))
    yield made
    # After all attempts, each place still answers, and nothing has changed.
    for projector in made.projectors:
        assert projector.df()["a"].tolist() == [1]
        assert projector.verify()
        projector.close()
    assert [event.event_type for event in made.store.read_all()] == ["X"]
    assert made.store.verify()
    made.store.close()


@pytest.mark.parametrize("query", ATTEMPTS + WRITES)
def test_no_place_lets_a_reader_out(places: Places, query: str, tmp_path: Path) -> None:
    out, secret = tmp_path / "out", tmp_path / "secret.csv"
    secret.write_text("a\nhidden\n")
    attempt = query.format(out=out, secret=secret, folder=tmp_path)
    for name in NAMES:
        with pytest.raises(EsnbError) as caught:
            places.ask(name, attempt)
        assert "hidden" not in str(caught.value)
        assert len(str(caught.value)) > 25
        assert [path.name for path in tmp_path.iterdir()] == ["secret.csv"]


@pytest.mark.parametrize("query", READS)
def test_every_place_takes_every_read(places: Places, query: str) -> None:
    for name in NAMES:
        assert places.ask(name, query)


@pytest.mark.parametrize("query", ATTEMPTS)
def test_no_declaration_of_a_read_model_lets_its_author_out(query: str, tmp_path: Path) -> None:
    out, secret = tmp_path / "out", tmp_path / "secret.csv"
    secret.write_text("a\nhidden\n")
    attempt = query.format(out=out, secret=secret, folder=tmp_path)
    with EventStore() as store:
        store.append("a", [new_event("X")], expected_version=0, aggregate_type="X")

        def build() -> None:
            kind = type("Bad", (Projection,), {"tables": {"t": "a bigint"}, "sql": attempt})
            Projector(store, kind).catch_up()

        with pytest.raises(EsnbError):
            build()
    assert [path.name for path in tmp_path.iterdir()] == ["secret.csv"]


@pytest.mark.parametrize(
    "tables",
    [
        "a int); copy (select 1) to '{out}'; create table z (a int",
        "a) as (select * from read_csv('{secret}')",
        "a int) ; attach '{out}' as x --",
    ],
)
def test_columns_of_a_read_model_are_columns_only(tables: str, tmp_path: Path) -> None:
    out, secret = tmp_path / "out", tmp_path / "secret.csv"
    columns = tables.format(out=out, secret=secret)
    with pytest.raises(QueryError, match=r"^Bad.tables\['t'\]"):
        type("Bad", (Projection,), {"tables": {"t": columns}, "sql": "insert into t values (1)"})
    assert not list(tmp_path.iterdir())


def test_gathered_queries_and_handlers_stay_inside_too(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(QueryError, match=r"Bad.gathers\['sums'\] cannot call read_text\(\)"):
        type("Bad", (Projection,), {
            "tables": {"t": "a int"}, "sql": "insert into t from sums",
            "gathers": {"sums": "from read_text('x')"},
        })  # fmt: skip

    class Handled(Projection):
        tables = {"t": "a bigint"}  # noqa: RUF012

        @handles("X")
        def _(self, read: Any, event: Any) -> None:
            read.execute(f"copy (select 1) to '{out}'")

    with EventStore() as store:
        store.append("a", [new_event("X")], expected_version=0, aggregate_type="X")
        with pytest.raises(EsnbError, match="disabled by configuration"):
            Projector(store, Handled).catch_up()
    assert not out.exists()


def test_every_table_function_of_the_engine_is_known_to_the_gate() -> None:
    """A new version of the engine brings new ones: put them where they belong."""
    rows = duckdb.sql(
        "select distinct function_name from duckdb_functions() "
        "where function_type in ('table', 'table_macro')"
    ).fetchall()
    table_functions = {name for (name,) in rows}
    assert table_functions <= ALLOWED_FUNCTIONS | REFUSED_FUNCTIONS
    assert not ALLOWED_FUNCTIONS & REFUSED_FUNCTIONS
    assert table_functions >= ALLOWED_FUNCTIONS


def test_words_of_a_statement() -> None:
    text = "select $a$ it's $a$, 'it''s', \"A\"\"b\", x/* /* */ y */(1) -- end\n, e'\\'' from t"
    assert [(token.kind, token.text) for token in tokens(text)] == [
        ("name", "select"), ("text", " it's "), ("sign", ","), ("text", "it's"), ("sign", ","),
        ("name", 'a"b'), ("sign", ","), ("name", "x"), ("sign", "("), ("sign", "1"), ("sign", ")"),
        ("sign", ","), ("escaped", "e'\\''"), ("name", "from"), ("name", "t"),
    ]  # fmt: skip
    assert all(text[token.start :] for token in tokens(text))


def test_a_view_of_the_past_cannot_be_left_by_naming_the_database(places: Places) -> None:
    store = places.store
    catalog = store.sql("select current_database()").fetchone()
    assert catalog is not None
    for query in (
        "pivot {} . main . events on event_type",
        "pivot {}/**/.main.events on event_type",
        "from (pivot (from query('from {}.main.events')) on event_type)",
        "from query_table('{}.main.events')",
        "explain from {}.main.events",
    ):
        with pytest.raises(QueryError, match="its own tables"):
            store.as_of(1).sql(query.format(catalog[0]))
