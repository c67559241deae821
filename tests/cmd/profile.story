A profile keeps what later data is compared with; those of two parts merge into that of the whole.
file a/one.csv
    stars,label
    5,pos
    1,neg
    ,neg
file b/two.csv
    stars,label
    4,pos
    5,neutral
file all/one.csv
    stars,label
    5,pos
    1,neg
    ,neg
file all/two.csv
    stars,label
    4,pos
    5,neutral
$ taster profile all
exit 0
out {"taster_profile":1,"rows":5
out "name":"stars","type":"int64","rows":5,"nulls":1
out "mean":3.75
out "top":[["neg",2],["pos",2],["neutral",1]]
$ taster profile a -o a.profile
exit 0
exists a.profile
$ taster profile b -o b.profile
exit 0
$ taster profile --merge b.profile a.profile
exit 0
out {"taster_profile":1,"rows":5
out "mean":3.75
$ taster profile a -o a.profile
exit 2
err already there
$ taster profile --merge a.profile a.profile
exit 2
err twice
$ taster profile --merge a.profile a/one.csv
exit 2
err is no profile
