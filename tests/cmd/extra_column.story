A column nobody declared, where that is forbidden.
file a.csv
    text,label
    fine,pos
file c.yaml
    taster: 1
    columns:
      text: {type: string}
    extra_columns: forbid
$ taster check a.csv -c c.yaml
exit 1
out label
