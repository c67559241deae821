A few bad rows that the contract puts up with: a pass, and they are still listed.
repeat a.csv 1 stars\n
repeat a.csv 99 3\n
repeat a.csv 1 9\n
file c.yaml
    taster: 1
    columns:
      stars: {type: int64, range: {max: 5}, tolerance: 1%}
$ taster check a.csv -c c.yaml --quarantine list.csv
exit 0
exists list.csv
