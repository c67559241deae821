A row with a field too many names its line.
file a.csv
    text,label
    fine,pos
    one,too,many
$ taster check a.csv
exit 2
err a.csv
err line 3
