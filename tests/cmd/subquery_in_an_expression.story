No subqueries.
file a.csv
    stars
    3
file c.yaml
    taster: 1
    rules:
      - expression: >-
          stars IN (SELECT stars FROM self)
$ taster check a.csv -c c.yaml
exit 2
err c.yaml:4
