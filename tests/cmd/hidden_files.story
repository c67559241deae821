Hidden files and earlier results are not data.
file data/a.csv
    text,label
    fine,pos
file data/.hidden.csv
    other,columns
    1,2
file data/taster-out/report.csv
    x
    1
file c.yaml
    taster: 1
    rules:
      - rows: {min: 1, max: 1}
$ taster check data -c c.yaml
exit 0
