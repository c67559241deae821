A set that allows nothing.
file a.csv
    label
    pos
file c.yaml
    taster: 1
    columns:
      label: {allowed: []}
$ taster check a.csv -c c.yaml
exit 2
err allowed
