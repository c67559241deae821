Two contracts cover the file: which one was meant?
file data.csv
    text
    fine
file a.yaml
    taster: 1
    data: [data.csv]
file contracts/b.yaml
    taster: 1
    data: [../data.csv]
    roots: [..]
$ taster check data.csv
exit 2
err a.yaml
err b.yaml
