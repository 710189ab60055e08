#!/usr/bin/env python3
"""Compares a Parquet table with the CSV table of the same rows, as pandas, polars and DuckDB read them.

    parquet_peers.py TABLE.csv TABLE.parquet [OUT_FOLDER]

With OUT_FOLDER, each also writes the table as Parquet there. Exit status 77: a package is missing.
"""

import csv
import json
import pathlib
import sys

try:
    import duckdb
    import pandas
    import polars
    import pyarrow.parquet
except ImportError as error:
    print(error)
    sys.exit(77)

TEXT = {"path", "status", "model_sha256", "preprocess", "image_sha256", "card_digest", "prevalence"}
LISTS = {"reasons", "withheld"}


def plain(value):
    """None, a float, a text or a list of texts."""
    if value is None or value is pandas.NA or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, str):
        return value
    if hasattr(value, "__len__"):
        return [plain(entry) for entry in value]
    return float(value)


def expected(table):
    """The rows of a table of cells, typed."""
    with open(table, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        for name, cell in row.items():
            if cell == "":
                row[name] = None
            elif name in LISTS:
                alone = row["status"] in {"error", "unread", "skipped"}
                row[name] = [cell] if alone else cell.split("; ")
            elif name not in TEXT:
                row[name] = float(cell)
    return rows


def check(program, rows, found):
    assert len(found) == len(rows), (program, len(found), len(rows))
    for number, (row, other) in enumerate(zip(rows, found)):
        other = {name: plain(value) for name, value in other.items()}
        assert row == other, (program, number, row, other)
    print(program, "ok")


def main():
    table, columns = sys.argv[1:3]
    rows = expected(table)
    frame = pandas.read_parquet(columns)
    check("pandas", rows, frame.to_dict("records"))
    lazy = polars.read_parquet(columns)
    check("polars", rows, lazy.to_dicts())
    relation = duckdb.sql(f"select * from read_parquet('{columns}')")
    names = relation.columns
    check("duckdb", rows, [dict(zip(names, row)) for row in relation.fetchall()])

    schema = pyarrow.parquet.read_schema(columns)
    for name in schema.names:
        kind = str(schema.field(name).type)
        wanted = "string" if name in TEXT else "list<element: string>" if name in LISTS else "double"
        assert kind == wanted, (name, kind)
    said = {key.decode(): value.decode() for key, value in schema.metadata.items()}
    assert len(said["cxr.model_sha256"]) == 64
    points = json.loads(said["cxr.operating_points"])
    assert points and all(0 < label["balanced"] < 1 for label in points.values())
    print("schema ok")

    if len(sys.argv) > 3:
        out = pathlib.Path(sys.argv[3])
        frame.to_parquet(out / "pandas.parquet")
        lazy.write_parquet(out / "polars.parquet", compression="snappy")
        lazy.write_parquet(out / "zstd.parquet", compression="zstd")
        duckdb.sql(f"copy (select * from read_parquet('{columns}')) to '{out}/duckdb.parquet' (format parquet)")
        frame[["path"]].assign(finding="Pneumonia").to_parquet(out / "cases.parquet")


main()
