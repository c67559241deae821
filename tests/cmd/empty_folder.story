A folder without data.
folder data
$ taster check data
exit 2
err data
