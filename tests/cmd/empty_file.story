A file of 0 bytes is no Parquet file, and is never skipped.
raw empty.parquet 
$ taster check empty.parquet
exit 2
err empty.parquet
err empty
