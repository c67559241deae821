An ignore that has run out hides nothing, and says so.
file a.csv
    label
    odd
file c.yaml
    taster: 1
    columns:
      label: {type: string, allowed: [pos]}
    ignore:
      - {rule: C, reason: known, expires: 2020-01-31}
$ taster check a.csv -c c.yaml --now 2026-01-01
exit 1
out expired
