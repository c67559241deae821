A download that stopped half-way has no footer.
sample reviews.parquet 50000
$ taster check reviews.parquet
exit 2
err reviews.parquet
