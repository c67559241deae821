A column that moved away from its baseline fails; the number is printed whether or not it fails.
repeat old.csv 1 stars,site\n
repeat old.csv 400 1,a\n2,a\n3,b\n4,b\n5,b\n
repeat same.csv 1 stars,site\n
repeat same.csv 100 1,a\n2,a\n3,b\n4,b\n5,b\n
repeat moved.csv 1 stars,site\n
repeat moved.csv 100 5,a\n5,a\n3,b\n4,b\n5,b\n
$ taster profile old.csv -o old.profile
exit 0
file c.yaml
    taster: 1
    rules:
      - drift: {column: stars, baseline: old.profile, statistic: psi, max: 0.2}
      - drift: {columns: all, baseline: old.csv, statistic: js, max: 0.1}
$ taster check same.csv -c c.yaml --select C
exit 0
$ taster check moved.csv -c c.yaml --select C
exit 1
out error[C150] stars: psi against old.profile
out `stars`: psi
out 500 rows against
