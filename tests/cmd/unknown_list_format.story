A list format that does not exist is refused before the data is read.
file a.csv
    id
    7
$ taster check a.csv --quarantine list.xlsx
exit 2
err xlsx
absent taster-out
