A folder for spill files that is not there is known before any work is done.
file a.csv
    id,name
    1,x
$ taster check a.csv --tmp nowhere
exit 2
err --tmp nowhere
