A file with columns and no row: nothing was checked, and that is not a pass.
file a.csv
    text,label
$ taster check a.csv
exit 3
