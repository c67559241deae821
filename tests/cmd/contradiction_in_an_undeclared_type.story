What the contract leaves open, the data's type decides: two spellings of one number contradict each other, a date is not a date, and each is told where it stands.
parquet a.parquet
    n:int64,day:date,text:string
    1,2026-01-01,one
file c.yaml
    taster: 1
    columns:
      n: {allowed: [1, 2], forbidden: [002], pattern: x}
      day: {range: {min: 2026-02-30}}
      text: {range: {min: 9, max: 10}}
$ taster check a.parquet -c c.yaml
exit 2
err `002` is both allowed and forbidden
err c.yaml:3:36
err `pattern` is about text, but `n` is int64
err `2026-02-30` is not a date
err no value lies between a min of 9 and a max of 10
err 4 errors in c.yaml
absent taster-out/report.json
