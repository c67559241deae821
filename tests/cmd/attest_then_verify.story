What was attested is verified: these bytes, this contract, this key, before it expires.
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
$ taster key mine
exit 0
out mine.pem  private
out mine.pub.pem  public
out ed25519 key
$ taster key mine
exit 2
err mine.pem is there already
$ taster attest data -c c.yaml --key mine.pem --expires 90d -o s.json --now 2026-01-01 --bom bom.json
exit 0
out s.json says PASSED
out 2 files, 43 bytes, 4 rows, root 
out expires 2026-04-01T00:00:00Z
exists bom.json
$ taster verify data -c c.yaml --attestation s.json --key mine.pub.pem --now 2026-03-01
exit 0
out verified: PASSED on 2026-01-01T00:00:00Z
$ taster verify data -c c.yaml --attestation s.json --key mine.pub.pem --now 2026-04-01
exit 1
out it expired 2026-04-01
$ taster verify data -c c.yaml --attestation s.json --key mine.pub.pem --now 2025-12-31
exit 1
out it was made in the future
$ taster verify data -c c.yaml --attestation s.json --key mine.pub.pem --now 2026-03-01 --at-least 99.0.0
exit 1
out at least 99.0.0 is demanded
$ taster key other --algorithm ecdsa-p256
exit 0
$ taster verify data -c c.yaml --attestation s.json --key other.pub.pem --now 2026-03-01
exit 1
out it was not signed by this key
$ taster verify data -c c.yaml --attestation s.json --key mine.pem --now 2026-03-01
exit 2
err is a private key
file loose.yaml
    taster: 1
    columns:
      id: {type: int64}
      text: {type: string}
$ taster verify data -c loose.yaml --attestation s.json --key mine.pub.pem --now 2026-03-01
exit 1
out it is about another contract: `c.yaml`
$ taster attest data -c c.yaml --key other.pem -o s2.json
exit 0
out does not expire
$ taster verify data -c c.yaml --attestation s2.json --key other.pub.pem
exit 0
$ taster verify data -c c.yaml --attestation bom.json --key mine.pub.pem
exit 2
err is no signed statement
