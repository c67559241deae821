The same key twice: which one was meant?
file a.csv
    text
    fine
file c.yaml
    taster: 1
    columns:
      text: {type: string}
      text: {type: int64}
$ taster check a.csv -c c.yaml
exit 2
err text
err c.yaml:4
