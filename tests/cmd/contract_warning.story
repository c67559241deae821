A rule that can never fail is a warning: shown, in the report, and enough for --fail-on warning.
parquet a.parquet
    stars:int8,flag:bool
    5,true
    4,false
file c.yaml
    taster: 1
    columns:
      stars: {range: {min: -200, max: 200}}
      flag: {allowed: [true, false]}
$ taster check a.parquet -c c.yaml --select C
exit 0
out PASS WITH WARNINGS: 2 warnings about the contract
out warning[C012] every value of type int8 lies in this range
out c.yaml:3:18
out every bool is true or false
$ taster check a.parquet -c c.yaml --select C --fail-on warning
exit 1
$ taster check a.parquet -c c.yaml --select C --fail-on warning --baseline taster-out/report.json
exit 0
