A rule about a column that is nowhere is an error of the contract.
file a.csv
    text,label
    fine,pos
file c.yaml
    taster: 1
    rules:
      - unique: [lable]
$ taster check a.csv -c c.yaml
exit 2
err lable
err did you mean
err c.yaml:3
