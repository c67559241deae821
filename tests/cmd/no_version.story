A contract says which format it is written in.
file a.csv
    text
    fine
file c.yaml
    columns:
      text: {type: string}
$ taster check a.csv -c c.yaml
exit 2
err `taster`
