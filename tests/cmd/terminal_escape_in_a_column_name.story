Nor what a column is called.
raw a.csv te\x1b[31mxt,label\nfine,pos\n
file c.yaml
    taster: 1
    columns:
      label: {type: string}
    extra_columns: forbid
$ taster check a.csv -c c.yaml
exit 1
no-out \x1b
no-err \x1b
