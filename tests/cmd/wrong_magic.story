Text that is called Parquet.
file a.parquet
    this is no parquet file, whatever it is called, and never was one
$ taster check a.parquet
exit 2
err a.parquet
