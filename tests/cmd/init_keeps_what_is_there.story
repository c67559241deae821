A contract that was edited by hand is not overwritten.
file a.csv
    id
    7
file c.yaml
    taster: 1
$ taster init a.csv -o c.yaml
exit 2
err c.yaml
err --force
