An all-null column passes value rules with nothing tested, and fails `required`.
parquet a.parquet
    id:int64,stars:int64
    1,
    2,
file loose.yaml
    taster: 1
    columns:
      stars: {range: {min: 1, max: 5}}
file strict.yaml
    taster: 1
    columns:
      stars: {range: {min: 1, max: 5}, required: true}
$ taster check a.parquet -c loose.yaml
exit 0
$ taster check a.parquet -c strict.yaml
exit 1
out stars
