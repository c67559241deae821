The data passes the contract that was made from it.
sample loans.csv
$ taster init loans.csv -o c.yaml
exit 0
exists c.yaml
$ taster check loans.csv -c c.yaml --select C
exit 0
