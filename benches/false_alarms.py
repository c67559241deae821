#!/usr/bin/env python3
"""Writes docs/false-alarms.md: what taster quarantines in clean data and in parts of it.

    benches/false_alarms.py TASTER [NAME=DATA=CONTRACT ...]

runs `TASTER drill DATA -c CONTRACT --slices --seeds 5 --format json` for every dataset that is named on
the command line and prints the page to stdout. The standard library is enough.
"""

import json
import subprocess
import sys

HEAD = """# False alarms, measured

Every number below is the output of `taster drill DATA -c CONTRACT --slices --seeds 5`, put together by
`benches/false_alarms.py`. Nothing is planted: whatever is quarantined is a false alarm. Parts that are chosen
at random (halves, tenths, copies, drawn labels, a class thinned to 1%) are run five times with other rows.
The budget is 0.1% of the rows. `review` rows stay in the data and cost a reviewer a glance.

| data | runs | rows judged | quarantined | share | worst part | review |
|---|---|---|---|---|---|---|"""


def measure(taster, data, contract):
    command = [taster, "drill", data, "-c", contract, "--slices", "--seeds", "5", "--format", "json", "-q"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["slices"]


def main():
    taster, *sets = sys.argv[1:]
    print(HEAD)
    parts = []
    for spec in sets:
        name, data, contract = spec.split("=")
        slices = measure(taster, data, contract)
        total = {key: sum(s[key] for s in slices) for key in ("runs", "rows", "quarantined", "review")}
        worst = max(slices, key=lambda s: s["worst"])
        bad = f"{worst['slice']}, {worst['worst']:.3%}" if worst["worst"] > 0 else "none"
        share = total["quarantined"] / total["rows"]
        print(f"| {name} | {total['runs']} | {total['rows']:,} | {total['quarantined']} | {share:.4%} | {bad} | {total['review']:,} |")
        parts.append((name, slices))
    print("\n## By part")
    for name, slices in parts:
        print(f"\n### {name}\n\n| part | runs | rows | quarantined | worst of a run | review |\n|---|---|---|---|---|---|")
        for s in slices:
            part = s["slice"].replace("|", "\\|")
            print(f"| {part} | {s['runs']} | {s['rows']:,} | {s['quarantined']} | {s['worst']:.3%} | {s['review']:,} |")


if __name__ == "__main__":
    main()
