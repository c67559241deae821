Bounds that no value can meet.
file a.csv
    stars
    3
file c.yaml
    taster: 1
    columns:
      stars: {type: int64, range: {min: 5, max: 1}}
$ taster check a.csv -c c.yaml
exit 2
err c.yaml:3
