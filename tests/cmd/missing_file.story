A path that does not exist is an error that names it; nothing is written.
$ taster check nowhere.parquet
exit 2
err nowhere.parquet
absent taster-out
