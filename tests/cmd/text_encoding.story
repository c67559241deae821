Text in another encoding is read as what the contract says it is.
raw a.csv name\ncaf\xe9\n
file c.yaml
    taster: 1
    format: {encoding: latin-1}
    columns:
      name: {type: string, allowed: [café]}
$ taster check a.csv -c c.yaml --select C
exit 0
file wrong.yaml
    taster: 1
    format: {encoding: latin1x}
$ taster check a.csv -c wrong.yaml
exit 2
err `latin1x` is no encoding
err did you mean `latin-1`?
