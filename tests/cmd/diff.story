A loosening is an alarm; a tightening is not, unless the data at hand then fails.
file old.yaml
    taster: 1
    columns:
      id: {type: int64, role: id, required: true}
      stars: {type: int64, range: {min: 1, max: 5}}
      label: {type: string, role: label, allowed: [neg, pos]}
    rules:
      - rows: {min: 3}
file loose.yaml
    taster: 1
    columns:
      id: {type: int64, role: id, required: true}
      stars: {type: int64, range: {min: 1, max: 9}}
      label: {type: string, role: label, allowed: [neg, pos, new]}
    poisoning: {detectors: {shared-trigger: off}}
file tight.yaml
    taster: 1
    description: The same, and more.
    columns:
      id: {type: int64, role: id, required: true}
      stars: {type: int64, range: {min: 2, max: 5}}
      label: {type: string, role: label, required: true, allowed: [neg, pos]}
    rules:
      - rows: {min: 3}
file a.csv
    id,stars,label
    1,1,pos
    2,5,neg
    3,9,pos
    4,2,
$ taster diff old.yaml old.yaml
exit 0
out no difference
$ taster diff old.yaml loose.yaml
exit 1
out 4 loosened
out columns.stars.range: `max` 5 became 9
out old.yaml:4:24 -> loose.yaml:4:24
out `new` is allowed now
out `shared-trigger` is switched off
out rules: rows: {min: 3}: the rule is gone
$ taster diff old.yaml tight.yaml
exit 0
out 2 tightened, 1 neutral
$ taster diff old.yaml tight.yaml a.csv
exit 1
out Of 4 rows, 2 newly fail and 0 no longer do.
out stars: range 2..5: 2 rows
$ taster diff old.yaml loose.yaml a.csv --format json
exit 1
out "no_longer_failing": 1
out "effect": "loosened"
$ taster diff old.yaml gone.yaml
exit 2
err cannot read the contract gone.yaml
absent taster-out
