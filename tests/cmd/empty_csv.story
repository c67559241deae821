A CSV without even a header is an error that names the file.
raw empty.csv 
$ taster check empty.csv
exit 2
err empty.csv
