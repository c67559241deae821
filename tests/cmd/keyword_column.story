A column named like a keyword of YAML and of SQL.
file a.csv
    null,select,no
    1,2,3
file c.yaml
    taster: 1
    columns:
      'null': {type: int64, required: true}
      select: {type: int64, range: {min: 0, max: 9}}
      'no': {type: int64}
    rules:
      - expression: >-
          "select" < "no"
$ taster check a.csv -c c.yaml
exit 0
