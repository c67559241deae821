Is `1` one row, one percent or all? It is refused.
file a.csv
    stars
    3
file c.yaml
    taster: 1
    columns:
      stars: {range: {min: 1}, tolerance: 1}
$ taster check a.csv -c c.yaml
exit 2
err c.yaml:3
err 100%
