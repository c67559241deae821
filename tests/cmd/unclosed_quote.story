A quote that never closes would swallow the rest of the file.
raw a.csv text,label\n"fine,pos\nbad,neg\n
$ taster check a.csv
exit 2
err a.csv
