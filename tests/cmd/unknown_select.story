`--select` with a code that no rule has.
file a.csv
    text
    fine
$ taster check a.csv --select Q999
exit 2
err Q999
