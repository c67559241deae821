The same for Parquet.
parquet a.parquet
    text:string,label:string
$ taster check a.parquet
exit 3
