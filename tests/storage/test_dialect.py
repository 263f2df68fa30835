"""Pairs of values in a condition: what they keep, and that SQLite finds them by an index."""

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Index, MetaData, String, Table, create_engine, insert, select
from sqlalchemy.dialects import sqlite

from pfn.storage.dialect import is_pair_of

WORDS = st.sampled_from(["a", "b", "c", "a'b", ""])
PAIRS = st.sets(st.tuples(WORDS, WORDS))
TABLE = Table("pairs", MetaData(), Column("one", String), Column("two", String), Column("more", String))
Index("ix_pairs", TABLE.c.one, TABLE.c.two)


@given(there=PAIRS, asked=PAIRS)
def test_it_keeps_the_pairs_and_no_others(there: set[tuple[str, str]], asked: set[tuple[str, str]]) -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        TABLE.create(connection)
        for one, two in there:
            connection.execute(insert(TABLE).values(one=one, two=two))
        query = select(TABLE.c.one, TABLE.c.two).where(is_pair_of(TABLE.c.one, TABLE.c.two, asked))
        assert {(row[0], row[1]) for row in connection.execute(query)} == there & asked
    engine.dispose()


def test_sqlite_reads_no_whole_table() -> None:
    engine = create_engine("sqlite://")
    asked = [(source, slug) for source in ("a", "b", "c") for slug in ("x", "y")]
    query = select(TABLE).where(is_pair_of(TABLE.c.one, TABLE.c.two, asked))
    text = str(query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
    with engine.begin() as connection:
        TABLE.create(connection)
        plan = [str(row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]
    engine.dispose()
    assert any("ix_pairs (one=? AND two=?)" in step for step in plan), plan
    assert not any(step.startswith("SCAN") for step in plan), plan
