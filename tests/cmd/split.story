A split says what went where and proves that nothing is lost; a folder that holds anything else is left alone.
file data/a.csv
    id,label
    1,pos
    2,neg
file data/b.csv
    id,label
    3,pos
    =4,neg
file list.csv
    file,row,action
    a.csv,1,quarantine
    b.csv,0,review
    b.csv,1,quarantine
$ taster split data --quarantine list.csv --out out
exit 0
out 4 rows of 2 files
out clean        2  out/clean
out quarantined  2  out/quarantined
out No row is lost: 2 + 2 = 4
out 1 row for review stayed
out out/split.json says so
$ taster split data --quarantine list.csv --out out
exit 2
err holds a split already
err --overwrite
$ taster split data --quarantine list.csv --out out --overwrite --review out
exit 0
out No row is lost: 1 + 3 = 4
$ taster split data --quarantine list.csv --out data
exit 2
err holds `a.csv`, which no split wrote
$ taster split data/a.csv --quarantine list.csv --out other
exit 2
err names the file `b.csv`
$ taster init out/clean
exit 0
