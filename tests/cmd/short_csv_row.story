A row with a field too few is not filled up in silence.
file a.csv
    text,label,stars
    fine,pos,3
    short,neg
$ taster check a.csv
exit 2
err line 3
