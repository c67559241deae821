A baseline is read below the contract's roots and below --root, and nowhere else.
repeat base.csv 1 x\n
repeat base.csv 900 1\n2\n3\n
file contracts/c.yaml
    taster: 1
    rules:
      - drift: {column: x, baseline: ../base.csv, statistic: psi, max: 0.2}
$ taster check base.csv -c contracts/c.yaml
exit 2
err outside the contract's folder
file contracts/c.yaml
    taster: 1
    roots: [..]
    rules:
      - drift: {column: x, baseline: ../base.csv, statistic: psi, max: 0.2}
$ taster check base.csv -c contracts/c.yaml --select C
exit 0
$ taster check base.csv -c contracts/c.yaml --select C --root contracts
exit 2
err never beyond --root
