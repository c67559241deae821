A contract that is written into another folder finds the data it was made from.
file data/a.csv
    id,stars
    1,3
    2,4
folder contracts
$ taster init data/a.csv -o contracts/c.yaml
exit 0
$ taster check -c contracts/c.yaml
exit 0
