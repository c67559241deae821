Parts of the data, taken as clean, raise no alarm; too few rows measure nothing.
file c.yaml
    taster: 1
    columns:
      text: {role: text}
      label: {role: label}
file a.csv
    text,label
    the kettle boils quickly and looks nice,pos
    my brother uses this tent in every season,neg
$ taster drill a.csv -c c.yaml --slices
exit 3
out No part of the data has enough rows to measure false alarms
$ taster drill a.csv -c c.yaml --slices --rows 30
exit 2
err cannot be used with
$ taster drill a.csv -c c.yaml --fail-over 0.1%
exit 2
err --slices
