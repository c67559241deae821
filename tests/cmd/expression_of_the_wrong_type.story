A text is not compared with a number.
file a.csv
    text
    fine
file c.yaml
    taster: 1
    rules:
      - expression: >-
          text > 3
$ taster check a.csv -c c.yaml
exit 2
err text
