Files of one dataset have one schema; the one that differs is named.
parquet data/a.parquet
    text:string,label:string
    fine,pos
parquet data/b.parquet
    text:string,label:int64
    fine,1
$ taster check data
exit 2
err b.parquet
