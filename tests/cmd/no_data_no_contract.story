Neither data nor a contract: what should be checked?
$ taster check
exit 2
err taster check
