A pickle beside the data fails the run and is named with what it would import, whatever it is called.
file data/a.csv
    id,label
    1,a
    2,b
file data/notes.txt
    cos
    getcwd
    (tR.
file c.yaml
    taster: 1
    columns: {id: {unique: true}}
$ taster check data -c c.yaml
exit 1
out S101
out notes.txt: a pickle that imports os.getcwd
$ taster check data -c c.yaml --ignore S101
exit 0
$ taster explain S101
exit 0
out unsafe-pickle
