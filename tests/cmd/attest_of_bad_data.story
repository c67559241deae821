Data that fails is signed as failed, and no gate opens for it; warnings pass unless they are not wanted.
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
file strict.yaml
    taster: 1
    columns:
      id: {type: int64, range: {max: 2}}
      text: {type: string}
file lenient.yaml
    taster: 1
    columns:
      id: {type: int64, range: {max: 2}, severity: warning}
      text: {type: string}
$ taster key k
exit 0
$ taster attest data -c strict.yaml --key k.pem -o s.json
exit 1
out s.json says FAILED
$ taster verify data -c strict.yaml --attestation s.json --key k.pub.pem
exit 1
out its verdict is FAILED, and PASSED or WARNED is demanded
$ taster attest data -c lenient.yaml --key k.pem -o w.json
exit 0
out w.json says WARNED
$ taster verify data -c lenient.yaml --attestation w.json --key k.pub.pem
exit 0
$ taster verify data -c lenient.yaml --attestation w.json --key k.pub.pem --fail-on warning
exit 1
out its verdict is WARNED, and PASSED is demanded
$ taster verify data -c lenient.yaml --attestation w.json --key k.pub.pem --floor 100
exit 1
out no detection floor is stated
