Too few rows are no answer: the report says how many it takes.
repeat old.csv 1 stars\n
repeat old.csv 400 1\n2\n3\n4\n5\n
repeat few.csv 1 stars\n
repeat few.csv 4 1\n2\n3\n4\n5\n
file c.yaml
    taster: 1
    rules:
      - drift: {column: stars, baseline: old.csv, statistic: ks, max: 0.1}
$ taster check few.csv -c c.yaml --select C
exit 1
out 20 rows here; a limit of 0.1 takes
