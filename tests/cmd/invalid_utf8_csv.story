Bytes that are no UTF-8 are an error with a place, not replaced.
raw a.csv text,label\nfine,pos\n\xff\xfe\xff,neg\n
$ taster check a.csv
exit 2
err a.csv
err UTF-8
