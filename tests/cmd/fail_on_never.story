With `--fail-on never` findings do not fail the run; a broken contract still does.
file a.csv
    stars
    9
file c.yaml
    taster: 1
    columns:
      stars: {type: int64, range: {max: 5}}
file broken.yaml
    taster: 2
$ taster check a.csv -c c.yaml --fail-on never
exit 0
out stars
$ taster check a.csv -c broken.yaml --fail-on never
exit 2
