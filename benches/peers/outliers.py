#!/usr/bin/env python3
"""One table by taster with all detectors, scikit-learn's IsolationForest and PyOD's ECOD: time and peak memory.

    benches/peers/outliers.py [--rows N] [--columns N] [--taster PATH] [--keep DIR]

Makes a virtual environment with the peers from PyPI and the table in DIR (a temporary folder without --keep): normal
numbers, some of which follow the label, and 300 rows of one label that were given the other, and a value just beyond all
others of one column. Every tool runs in a process of its own, reading included; the best of three runs counts. The
peers see the numbers alone and score each row with their defaults; the last column tells how many of the planted rows
are among the 300 that the tool ranks highest (for taster: that it lists for quarantine, and how many others it lists).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PEERS = ["scikit-learn", "pyod", "pyarrow", "numpy"]
PLANTED = 300
RUNS = 3


def make(path, rows, columns):
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    r = np.random.default_rng(7)
    label = r.integers(0, 2, rows)
    planted = r.choice(np.flatnonzero(label == 0), PLANTED, replace=False)
    names = [f"c{i}" for i in range(columns)]
    data = {name: np.round(r.normal(size=rows) + 0.6 * label * (i % 3 == 0), 3) for i, name in enumerate(names)}
    data["c0"][planted] = 6.5
    label[planted] = 1
    table = pa.table({**data, "label": pa.array(np.array(["no", "yes"])[label])})
    pq.write_table(table, path, row_group_size=1 << 18)
    np.save(str(path) + ".planted.npy", np.sort(planted))


def numbers(data):
    import numpy as np
    import pyarrow.parquet as pq

    table = pq.read_table(data)
    return np.column_stack([table[c].to_numpy() for c in table.column_names if c != "label"])


def ranked(data, scores):
    import numpy as np

    planted = np.load(data + ".planted.npy")
    top = np.argpartition(-scores, PLANTED)[:PLANTED]
    return {"found": int(np.isin(top, planted).sum())}


def isolation_forest(data, *_):
    from sklearn.ensemble import IsolationForest

    x = numbers(data)
    return ranked(data, -IsolationForest(n_jobs=-1, random_state=0).fit(x).score_samples(x))


def ecod(data, *_):
    from pyod.models.ecod import ECOD

    model = ECOD(n_jobs=1)
    model.fit(numbers(data))
    return ranked(data, model.decision_scores_)


def taster(data, binary, folder):
    contract = Path(folder) / "outliers.yaml"
    contract.write_text("taster: 1\ncolumns:\n  label: {role: label}\n  c*: {role: feature}\n")
    out = Path(folder) / "outliers-out"
    command = [binary, "check", data, "-c", str(contract), "--out", str(out), "--quarantine", str(out / "list.jsonl")]
    os.execv(binary, command + ["--fail-on", "never", "-q"])


def listed(data, folder):
    import numpy as np

    planted = set(np.load(data + ".planted.npy").tolist())
    lines = [json.loads(line) for line in (Path(folder) / "outliers-out" / "list.jsonl").read_text().splitlines()]
    rows = {line["row"] for line in lines if line["action"] == "quarantine"}
    return {"found": len(rows & planted), "others": len(rows - planted)}


TOOLS = {"taster": taster, "IsolationForest": isolation_forest, "ECOD": ecod}


def measured(command):
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command}: ended with {status}")
    return time.monotonic() - started, usage.ru_maxrss / 1024, text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--taster", default="target/release/taster")
    parser.add_argument("--keep")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        tool, data, binary, folder = args.one
        found = TOOLS[tool](data, binary, folder) if tool in TOOLS else listed(data, folder)
        print(json.dumps(found))
        return
    binary = str(Path(args.taster).resolve())
    folder = Path(args.keep or tempfile.mkdtemp()).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PEERS], check=True)
    data = folder / f"outliers-{args.rows}-{args.columns}.parquet"
    if not data.exists():
        here = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import outliers"
        code = f"{here}; import pathlib; outliers.make(pathlib.Path({str(data)!r}), {args.rows}, {args.columns})"
        subprocess.run([python, "-c", code], check=True)
    one = lambda tool: [str(python), __file__, "--one", tool, str(data), binary, str(folder)]
    first = None
    for tool in TOOLS:
        runs = [measured(one(tool)) for _ in range(RUNS)]
        seconds = min(run[0] for run in runs)
        peak = max(run[1] for run in runs)
        text = measured(one("listed"))[2] if tool == "taster" else runs[-1][2]
        found = json.loads(text.splitlines()[-1])
        first = first or seconds
        others = f", {found['others']} others" if "others" in found else ""
        print(f"{tool:<16} {seconds:>7.2f} s {peak:>7.0f} MB {seconds / first:>6.1f} x   {found['found']} of {PLANTED} planted{others}")


if __name__ == "__main__":
    main()
