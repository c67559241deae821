An ignore that matches nothing is a warning: it may be a typing error.
file a.csv
    label
    pos
file c.yaml
    taster: 1
    columns:
      label: {type: string, allowed: [pos]}
    ignore:
      - {rule: P110, group: 'no such phrase', reason: known}
$ taster check a.csv -c c.yaml
exit 0
out no such phrase
