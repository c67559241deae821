A column of another type than the contract says is a failure, not a crash.
parquet a.parquet
    id:int64,label:string
    1,pos
    2,neg
file c.yaml
    taster: 1
    columns:
      label: {type: int64}
$ taster check a.parquet -c c.yaml
exit 1
out label
out int64
