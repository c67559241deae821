A type that a glob declares is what text files are read as.
file a.csv
    id,code_a,code_b
    1,007,12
    2,012,x
file c.yaml
    taster: 1
    columns:
      code_*: {type: string, length: {min: 2}}
$ taster check a.csv -c c.yaml --select C
exit 1
out 1 of 2 rows has a length outside 2.. characters
no-out code_a: length
file numbers.yaml
    taster: 1
    columns:
      code_a: {type: string}
      code_*: {type: integer}
$ taster check a.csv -c numbers.yaml --select C
exit 2
err no value is string and integer
