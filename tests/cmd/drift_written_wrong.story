What is wrong with a drift rule is said at once, all of it.
file a.csv
    x
    1
file c.yaml
    taster: 1
    rules:
      - drift: {column: x, baseline: a.csv, statistic: psy, max: 0.2}
      - drift: {column: x, columns: [x], baseline: a.csv, statistic: psi, max: 0}
      - drift: {baseline: a.csv, statistic: psi, threshold: 0.2}
      - drift: {column: x, baseline: a.csv, statistic: psi, max: 0.2}
        tolerance: 1%
$ taster check a.csv -c c.yaml
exit 2
err did you mean `psi`?
err has both `column` and `columns`
err two samples never agree
err `drift` names no column
err did you mean `max`?
err no row of it can be tolerated
