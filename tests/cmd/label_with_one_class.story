One class teaches nothing: its detectors are not tested, and the contract still is.
file a.csv
    text,label
    the kettle boils quickly and looks nice,pos
    my brother uses this tent in every season,pos
    quiet enough for a small flat,pos
    arrived on a Tuesday with all screws,pos
file c.yaml
    taster: 1
    columns:
      text: {type: string, role: text}
      label: {type: string, role: label}
$ taster check a.csv -c c.yaml
exit 0
out not tested
