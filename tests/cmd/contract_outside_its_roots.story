A contract reads below its own folder, unless its `roots:` or the command line say more.
file data.csv
    text
    fine
file contracts/b.yaml
    taster: 1
    data: [../data.csv]
$ taster check -c contracts/b.yaml
exit 2
err outside the contract's folder
err roots: [..]
file contracts/b.yaml
    taster: 1
    data: [../data.csv]
    roots: [..]
    rules:
      - rows: {min: 1}
$ taster check -c contracts/b.yaml
exit 0
$ taster check -c contracts/b.yaml --root contracts
exit 2
