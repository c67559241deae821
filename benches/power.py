#!/usr/bin/env python3
"""Writes docs/power.md: how many planted rows the detectors recover in public data.

    benches/power.py TASTER [NAME=DATA=CONTRACT[=FAMILIES=ROWS] ...]

runs `TASTER drill DATA -c CONTRACT --seeds 20 --format json` (with `--family FAMILIES --rows ROWS` where they are given)
for every dataset that is named on the command line and prints the page to stdout. The standard library is enough.
"""

import json
import subprocess
import sys

HEAD = """# Power, measured

Every number below is the output of `taster drill DATA -c CONTRACT --seeds 20`, put together by `benches/power.py`. Each trial
plants one random trigger of its family into clean rows, gives them one label (the classes take turns), runs all detectors and
counts which rows are listed for quarantine. `found` are trials in which at least 90% of the planted rows were; `false alarms` are
other rows, as a share of all rows of all trials. A trial below the floor that the run states cannot be found and counts all
the same. `value` is new to its table; `common-value` is in 0.1% to 1% of its rows, which are false alarms where they are
quarantined with it. Measure your own data the same way.

| data | family | planted in each trial | found | rows recovered | false alarms |
|---|---|---|---|---|---|"""


def main():
    taster, *sets = sys.argv[1:]
    print(HEAD)
    for spec in sets:
        name, data, contract, *more = spec.split("=")
        command = [taster, "drill", data, "-c", contract, "--seeds", "20", "--format", "json", "-q"]
        if more:
            command += ["--family", more[0], "--rows", more[1]]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode == 3:
            print(f"| {name} | none | no family could be planted | | | |", flush=True)
            continue
        run.check_returncode()
        told = json.loads(run.stdout)
        for p in told["power"]:
            each = p["planted"] / max(p["trials"], 1)
            recovered = p["quarantined"] / max(p["planted"], 1)
            false = p["false_alarms"] / max(told["rows"] * p["trials"], 1)
            print(f"| {name} | {p['family']} | {each:.0f} of {told['rows']:,} | {p['found']} of {p['trials']} | {recovered:.1%} | {false:.4%} |", flush=True)


if __name__ == "__main__":
    main()
