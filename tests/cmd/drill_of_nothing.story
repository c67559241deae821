Zero rows cannot show any power.
file a.csv
    text,label
    the kettle boils quickly and looks nice,pos
    my brother uses this tent in every season,neg
$ taster drill a.csv --rows 0
exit 2
err write a number of rows or a share, such as 30 or 0.5%
