Any other byte, any other name, one file more or less: not verified, and it says which.
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
$ taster key k
exit 0
$ taster attest data -c c.yaml --key k.pem -o s.json
exit 0
raw data/b.csv id,text\n3,three\n4,fuor\n
$ taster verify data -c c.yaml --attestation s.json --key k.pub.pem
exit 1
out changed  b.csv: same size, other content
raw data/b.csv id,text\n3,three\n4,four\n
$ taster verify data -c c.yaml --attestation s.json --key k.pub.pem
exit 0
raw data/readme.md hello
$ taster verify data -c c.yaml --attestation s.json --key k.pub.pem
exit 1
out added    readme.md
move data/readme.md
move data/b.csv data/z.csv
$ taster verify data -c c.yaml --attestation s.json --key k.pub.pem
exit 1
out renamed  b.csv -> z.csv
move data/z.csv
$ taster verify data -c c.yaml --attestation s.json --key k.pub.pem
exit 1
out missing  b.csv
raw s.json {}
$ taster verify data -c c.yaml --attestation s.json --key k.pub.pem
exit 2
err is no signed statement
