What is going on goes to stderr; stdout stays the result.
file a.csv
    id,name
    1,x
$ taster check a.csv -v
exit 3
err 1 row in 1 file
err id is id
