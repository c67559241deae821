A rule of the grammar that does not work yet is an error, never silence.
file a.csv
    stars
    3
file c.yaml
    taster: 1
    rules:
      - licence: {column: terms}
$ taster check a.csv -c c.yaml
exit 2
err not supported yet
