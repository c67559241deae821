In a text file the contract's type reads the cells; what does not parse is a failing row.
file a.csv
    id,stars
    1,5
    2,many
    3,4
file c.yaml
    taster: 1
    columns:
      stars: {type: int64}
$ taster check a.csv -c c.yaml --quarantine list.jsonl
exit 1
out stars
exists list.jsonl
