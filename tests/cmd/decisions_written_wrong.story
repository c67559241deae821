A decisions file is read as strictly as a contract: every problem with its line, and nothing is checked.
file a.csv
    text,label
    one,pos
file c.yaml
    taster: 1
    columns:
      label: {allowed: [pos]}
file c.decisions.yaml
    taster_decisions: 1
    decisions:
      - rule: P120
        decision: kepe
        reason: known
        who: Ana
        date: 2026-11-23
        rows: 2
        contents: AAAAAAAAAAAAAAAA
$ taster check a.csv -c c.yaml
exit 2
err c.decisions.yaml:4
err did you mean `keep`?
err did you mean `by`?
err 2 rows announced, 1 there
absent taster-out/report.json
$ taster check a.csv -c c.yaml --decisions none.yaml
exit 2
err cannot read the decisions none.yaml
file c.decisions.yaml
    taster_decisions: 1
    decisions:
      - rule: P120
        decision: keep
        reason: known
        by: Ana
        date: 2026-11-23
        rows: 1
        contents: AAAAAAAAAAAAAAAA
$ taster check a.csv -c c.yaml
exit 0
out PASS WITH WARNINGS
out warning: stale, none of the rows that Ana kept on 2026-11-23 is in the data
