Profiles of other versions, columns or types are refused, each with the reason.
file new.profile
    {"taster_profile":9,"rows":1}
file a.csv
    x
    1
file b.csv
    x
    one
file none.csv
    x
$ taster profile --merge new.profile
exit 2
err version 9
$ taster profile a.csv -o a.profile
exit 0
$ taster profile b.csv -o b.profile
exit 0
$ taster profile --merge a.profile b.profile
exit 2
err int64 in one and string in the other
$ taster profile none.csv
exit 2
err no rows
