A manifest names every file, and tells what changed since.
file data/a.csv
    id,text
    1,one
    2,two
file data/b.csv
    id,text
    3,three
    4,four
file c.yaml
    taster: 1
    columns:
      id: {type: int64, required: true}
      text: {type: string, required: true}
$ taster manifest create data -o old.json
exit 0
err 2 files, 43 bytes, 4 rows
$ taster manifest verify data -m old.json --exact
exit 0
out 2 files of a manifest: unchanged
$ taster manifest create data --format sha256sum -o sums
exit 0
$ taster manifest verify data -m sums
exit 0
out 2 files of a sha256sum list: unchanged
$ taster manifest create data --format croissant -o croissant.json
exit 0
$ taster manifest verify data -m croissant.json
exit 0
out Croissant metadata
$ taster manifest create data --format cyclonedx
exit 0
out "specVersion": "1.6"
raw data/b.csv id,text\n3,three\n5,four\n
raw data/c.csv id,text\n6,six\n
$ taster manifest verify data -m old.json
exit 1
out changed  b.csv: still 2 rows, other content
err added    c.csv
$ taster manifest verify data -m old.json --exact
exit 1
out added    c.csv
$ taster manifest create data -o new.json
exit 0
$ taster manifest diff old.json new.json
exit 1
out changed  b.csv: still 2 rows, other content
out added    c.csv
out 2 differences
$ taster manifest diff new.json new.json
exit 0
move data/c.csv data/d.csv
move data/b.csv
$ taster manifest verify data -m new.json
exit 1
out missing  b.csv
out renamed  c.csv -> d.csv
$ taster manifest verify data/a.csv -m sums --subset --exact
exit 0
out 1 file of
