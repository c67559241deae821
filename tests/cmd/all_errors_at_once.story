Two mistakes, two messages.
file a.csv
    text
    fine
file c.yaml
    taster: 1
    colums: {}
    columns:
      text: {type: strin}
$ taster check a.csv -c c.yaml
exit 2
err colums
err strin
