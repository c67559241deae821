A rule that does not exist.
$ taster explain P999
exit 2
err P999
