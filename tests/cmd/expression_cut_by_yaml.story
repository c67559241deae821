A plain scalar ends at a colon: the message shows the form that does not break.
file a.csv
    text
    fine
file c.yaml
    taster: 1
    rules:
      - expression: text <> 'a: b'
$ taster check a.csv -c c.yaml
exit 2
err >-
