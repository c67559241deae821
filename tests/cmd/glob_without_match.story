A glob that matches nothing.
$ taster check 'data/*.parquet'
exit 2
err data/*.parquet
