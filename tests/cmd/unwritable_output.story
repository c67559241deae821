The output folder is a file.
file a.csv
    text
    fine
file out
    in the way
file c.yaml
    taster: 1
    rules:
      - rows: {min: 1}
$ taster check a.csv -c c.yaml --out out
exit 2
err out
