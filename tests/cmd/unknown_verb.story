A verb that does not exist.
$ taster chekc a.csv
exit 2
err check
