What an earlier report has does not count again, what is new does; a file that is no report is refused.
file a.csv
    id,stars
    1,9
    2,4
file c.yaml
    taster: 1
    columns:
      id: {role: id}
      stars: {type: int64, range: {min: 1, max: 5}}
file d.yaml
    taster: 1
    columns:
      id: {role: id}
      stars: {type: int64, range: {min: 1, max: 5}, forbidden: [4]}
$ taster check a.csv -c c.yaml --out first
exit 1
$ taster check a.csv -c c.yaml --baseline first/report.json
exit 0
out in the baseline
$ taster check a.csv -c d.yaml --baseline first/report.json
exit 1
out C106
$ taster check a.csv -c c.yaml --baseline a.csv
exit 2
err not a report
