The output folder would lie below a file.
file a.csv
    text
    fine
file in-the-way
    x
file c.yaml
    taster: 1
    rules:
      - rows: {min: 1}
$ taster check a.csv -c c.yaml --out in-the-way/out
exit 2
err in-the-way
