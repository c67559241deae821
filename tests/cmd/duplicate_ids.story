A key that comes twice fails in every one of its rows.
file a.csv
    id
    7
    8
    7
file c.yaml
    taster: 1
    columns:
      id: {type: int64, role: id, unique: true}
$ taster check a.csv -c c.yaml --quarantine list.csv
exit 1
out id
