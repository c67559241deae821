An expression is about one row.
file a.csv
    stars
    3
file c.yaml
    taster: 1
    rules:
      - expression: >-
          stars > avg(stars)
$ taster check a.csv -c c.yaml
exit 2
err avg
err c.yaml:4
