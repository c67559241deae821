A warning fails only a run that asks for it.
file a.csv
    stars
    9
file c.yaml
    taster: 1
    columns:
      stars: {type: int64, range: {max: 5}, severity: warning}
$ taster check a.csv -c c.yaml
exit 0
$ taster check a.csv -c c.yaml --fail-on warning
exit 1
