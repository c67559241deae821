NaN is no number between 1 and 5, and no null either.
parquet a.parquet
    stars:float64
    1
    NaN
    5
file c.yaml
    taster: 1
    columns:
      stars: {type: float64, required: true, range: {min: 1, max: 5}}
$ taster check a.parquet -c c.yaml
exit 1
out stars
