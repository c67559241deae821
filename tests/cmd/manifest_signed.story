A signed manifest counts only with its key, and only as it was signed.
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
$ taster key k --algorithm ecdsa-p256
exit 0
$ taster key l
exit 0
$ taster manifest create data --key k.pem -o m.json
exit 0
$ taster manifest verify data -m m.json --key k.pub.pem --exact
exit 0
out signed by this key
$ taster manifest verify data -m m.json --key l.pub.pem
exit 2
err it was not signed by this key
$ taster manifest create data -o plain.json
exit 0
$ taster manifest verify data -m plain.json --key k.pub.pem
exit 2
err is not signed
$ taster manifest create data --key k.pem --format sha256sum
exit 2
err only the JSON form can be signed
$ taster attest data -c c.yaml --key k.pem -o s.json
exit 0
$ taster manifest verify data -m s.json --key k.pub.pem
exit 2
err it is a statement of another kind
$ taster verify data -c c.yaml --attestation m.json --key k.pub.pem
exit 1
out it is a statement of another kind
