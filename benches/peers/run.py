#!/usr/bin/env python3
"""The same 13 checks on the same Parquet file by taster, DuckDB, pandera (polars), pointblank and Great
Expectations: time and peak memory side by side, once with clean data and once with half of the rows failing.

    benches/peers/run.py [--rows N] [--taster PATH] [--keep DIR]

Makes a virtual environment with the peers from PyPI and the data in DIR (a temporary folder without --keep), runs
every tool in a process of its own, start-up and reading included, and prints the best of three. Each tool
is used as its manual says; the last column tells what comes out besides the counts. The sum of failing rows over
all checks is compared: a tool that counts otherwise is named.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PEERS = ["duckdb", "pandera[polars]", "pointblank", "great_expectations", "polars", "pandas", "pyarrow"]
LABELS = ["neg", "neutral", "pos"]
COUNTRIES = ["de", "fr", "it", "es", "pl", "nl", "at", "ch"]
REQUIRED = ["id", "price", "stars", "label", "posted_at"]
FROM, TO = "2020-01-01 00:00:00", "2030-01-01 00:00:00"
RUNS = 3


def make(path, rows):
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    r = np.random.default_rng(7)
    at = 1_600_000_000_000_000 + np.arange(rows) * 1_000_000
    table = pa.table({
        "id": np.arange(rows),
        "price": r.random(rows) * 1000,
        "stars": (1 + r.integers(0, 4, rows)).astype("int8"),
        "label": pa.array(np.array(LABELS)[r.integers(0, 3, rows)]),
        "country": pa.array(np.array(COUNTRIES)[r.integers(0, 8, rows)]),
        "user": pa.array(np.char.add("u", r.integers(0, 100_000, rows).astype(str))),
        "posted_at": pa.array(at, pa.timestamp("us")),
    })
    pq.write_table(table, path, row_group_size=1 << 20)


def taster(data, most, binary, folder):
    contract = Path(folder) / f"peers-{most}.yaml"
    contract.write_text(f"""taster: 1
columns:
  id: {{required: true, range: {{min: 0}}}}
  price: {{required: true, range: {{min: 0, max: 1000}}}}
  stars: {{required: true, range: {{min: 1, max: {most}}}}}
  label: {{required: true, allowed: [{", ".join(LABELS)}]}}
  country: {{allowed: [{", ".join(COUNTRIES)}], length: {{min: 2, max: 2}}}}
  user: {{pattern: '^u[0-9]+$'}}
  posted_at: {{required: true, range: {{min: '{FROM.replace(" ", "T")}', max: '{TO.replace(" ", "T")}'}}}}
poisoning: {{detectors: off}}
""")
    out = Path(folder) / "taster-out"
    command = [binary, "check", data, "-c", str(contract), "--out", str(out), "--fail-on", "never", "-q"]
    os.execv(binary, command)


def duckdb(data, most, *_):
    import duckdb as db

    checks = [f"{c} IS NULL" for c in REQUIRED] + [
        "id < 0",
        "price < 0 OR price > 1000",
        f"stars < 1 OR stars > {most}",
        f"label NOT IN {tuple(LABELS)}",
        f"country NOT IN {tuple(COUNTRIES)}",
        "length(country) <> 2",
        "NOT regexp_matches(\"user\", '^u[0-9]+$')",
        f"posted_at < '{FROM}' OR posted_at > '{TO}'",
    ]
    counts = ", ".join(f"count(*) FILTER (WHERE {c})" for c in checks)
    return sum(db.connect().execute(f"SELECT {counts} FROM '{data}'").fetchall()[0])


def duckdb_rows(data, most, _, folder):
    import duckdb as db

    failing = duckdb(data, most)
    where = f"stars < 1 OR stars > {most} OR price < 0 OR price > 1000 OR id < 0 OR length(country) <> 2"
    rows = f"SELECT file_row_number FROM read_parquet('{data}', file_row_number = true) WHERE {where}"
    db.connect().execute(f"COPY ({rows}) TO '{folder}/duck.parquet'")
    return failing


def pandera(data, most, *_):
    import pandera.polars as pa
    import polars as pl
    from datetime import datetime

    between = pa.Check.in_range
    schema = pa.DataFrameSchema({
        "id": pa.Column(pl.Int64, pa.Check.ge(0)),
        "price": pa.Column(pl.Float64, between(0, 1000)),
        "stars": pa.Column(pl.Int8, between(1, most)),
        "label": pa.Column(pl.String, pa.Check.isin(LABELS)),
        "country": pa.Column(pl.String, [pa.Check.isin(COUNTRIES), pa.Check.str_length(2, 2)], nullable=True),
        "user": pa.Column(pl.String, pa.Check.str_matches("^u[0-9]+$"), nullable=True),
        "posted_at": pa.Column(pl.Datetime("us"), between(datetime.fromisoformat(FROM), datetime.fromisoformat(TO))),
    })
    try:
        schema.validate(pl.read_parquet(data), lazy=True)
    except pa.errors.SchemaErrors as e:
        return e.failure_cases.height
    return 0


def pointblank(data, most, *_):
    import pointblank as pb
    import polars as pl
    from datetime import datetime

    run = (
        pb.Validate(pl.read_parquet(data))
        .col_vals_not_null(REQUIRED)
        .col_vals_ge("id", 0)
        .col_vals_between("price", 0, 1000)
        .col_vals_between("stars", 1, most)
        .col_vals_in_set("label", LABELS)
        .col_vals_in_set("country", COUNTRIES)
        .col_vals_expr(pl.col("country").str.len_chars() == 2)
        .col_vals_regex("user", "^u[0-9]+$")
        .col_vals_between("posted_at", datetime.fromisoformat(FROM), datetime.fromisoformat(TO))
        .interrogate()
    )
    return sum(run.n_failed().values())


def great_expectations(data, most, *_):
    import great_expectations as gx
    import pandas as pd
    from datetime import datetime
    from great_expectations import expectations as e

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("peers").add_dataframe_asset("data")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": pd.read_parquet(data)})
    suite = gx.ExpectationSuite("checks", expectations=[e.ExpectColumnValuesToNotBeNull(column=c) for c in REQUIRED] + [
        e.ExpectColumnValuesToBeBetween(column="id", min_value=0),
        e.ExpectColumnValuesToBeBetween(column="price", min_value=0, max_value=1000),
        e.ExpectColumnValuesToBeBetween(column="stars", min_value=1, max_value=most),
        e.ExpectColumnValuesToBeInSet(column="label", value_set=LABELS),
        e.ExpectColumnValuesToBeInSet(column="country", value_set=COUNTRIES),
        e.ExpectColumnValueLengthsToEqual(column="country", value=2),
        e.ExpectColumnValuesToMatchRegex(column="user", regex="^u[0-9]+$"),
        e.ExpectColumnValuesToBeBetween(column="posted_at", min_value=datetime.fromisoformat(FROM), max_value=datetime.fromisoformat(TO)),
    ])
    result = batch.validate(suite, result_format="BASIC")
    return sum(r.result["unexpected_count"] for r in result.results)


TOOLS = {
    "taster": (taster, "every failing row, to Parquet"),
    "DuckDB SQL": (duckdb, "counts alone"),
    "DuckDB SQL, rows": (duckdb_rows, "numbers of failing rows, to Parquet"),
    "pandera (polars)": (pandera, "failure cases in memory"),
    "pointblank (polars)": (pointblank, "failing rows in memory"),
    "Great Expectations (pandas)": (great_expectations, "a sample of values"),
}


def measured(python, tool, data, most, binary, folder):
    """Seconds, peak megabytes, failing rows summed over the checks."""
    log = Path(folder) / "one.txt"
    with open(log, "w") as out, open(Path(folder) / "one.err", "w") as err:
        clock = time.monotonic()
        one = [python, __file__, "--one", tool, "--data", data, "--most", str(most), "--taster", binary, "--keep", folder]
        child = subprocess.Popen(one, stdout=out, stderr=err)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - clock
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{tool} failed:\n{(Path(folder) / 'one.err').read_text()[-2000:]}")
    if tool == "taster":
        report = json.loads((Path(folder) / "taster-out" / "report.json").read_text())
        failing = sum(rule["rows_failing"] for rule in report["rules"])
    else:
        failing = int(log.read_text().split()[-1])
    return seconds, usage.ru_maxrss / 1024, failing


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--taster", default=str(Path(__file__).parents[2] / "target/release/taster"))
    parser.add_argument("--keep", default=None)
    parser.add_argument("--one")
    parser.add_argument("--data")
    parser.add_argument("--most", type=int)
    args = parser.parse_args()
    if args.one == "make":
        return make(args.data, args.rows)
    if args.one:
        return print(TOOLS[args.one][0](args.data, args.most, args.taster, args.keep))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(args.keep or temporary)
        folder.mkdir(exist_ok=True)
        python = folder / "venv/bin/python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
            subprocess.run([python, "-m", "pip", "install", "-q", *PEERS], check=True)
        data = folder / f"peers-{args.rows}.parquet"
        if not data.exists():
            subprocess.run([python, __file__, "--one", "make", "--data", data, "--rows", str(args.rows)], check=True)
        print(f"{args.rows:,} rows, 7 columns, {data.stat().st_size / 1e6:.0f} MB of Parquet, 13 checks, {os.cpu_count()} cores\n")
        print("| tool | clean | peak | half failing | peak | what comes out |\n|---|---|---|---|---|---|")
        wanted = {4: None, 2: None}
        for tool, (_, what) in TOOLS.items():
            cells = []
            for most in (4, 2):
                runs = [measured(str(python), tool, str(data), most, args.taster, str(folder)) for _ in range(RUNS)]
                seconds, peak, failing = min(r[0] for r in runs), max(r[1] for r in runs), runs[0][2]
                wanted[most] = failing if wanted[most] is None else wanted[most]
                note = "" if failing == wanted[most] else f" (counts {failing:,}, not {wanted[most]:,})"
                cells.append(f"{seconds:.2f} s{note} | {peak:,.0f} MB")
            print(f"| {tool} | {cells[0]} | {cells[1]} | {what} |", flush=True)


if __name__ == "__main__":
    main()
