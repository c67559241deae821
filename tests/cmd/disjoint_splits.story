A key in two splits fails on both sides; the same key twice in one split does not.
file a.csv
    id,text,split
    1,fine words,train
    2,fine words,train
    3,other words,train
    3,new words,test
    4,other words,test
file c.yaml
    taster: 1
    columns: {split: {role: split}}
    rules:
      - disjoint_splits: {keys: [id, text]}
$ taster check a.csv -c c.yaml --select C
exit 1
out error[C134] disjoint_splits: id
out error[C134] disjoint_splits: text
out 1 key in more than one split
file c.yaml
    taster: 1
    rules:
      - disjoint_splits: {keys: id}
$ taster check a.csv -c c.yaml --select C
exit 2
err needs a column with `role: split`
