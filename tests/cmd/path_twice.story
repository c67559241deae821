The same file twice would count its rows twice.
file a.csv
    text
    fine
$ taster check a.csv ./a.csv
exit 2
err a.csv
err twice
