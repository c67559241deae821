A declared column that is absent fails and suggests the one that was meant.
file a.csv
    text,label
    fine,pos
file c.yaml
    taster: 1
    columns:
      lable: {type: string}
$ taster check a.csv -c c.yaml
exit 1
out lable
