Data too small to show any trigger fails the demand, in JSON as well.
file a.csv
    text,label
    the kettle boils quickly and looks nice,pos
    my brother uses this tent in every season,neg
    quiet enough for a small flat,pos
    the lid broke after two days,neg
    arrived on a Tuesday with all screws,pos
    it leaks and smells of rubber,neg
file c.yaml
    taster: 1
    columns:
      text: {role: text}
      label: {role: label}
$ taster drill a.csv -c c.yaml --family word --seeds 2 --rows 1 --fail-under 95% --format json
exit 1
out "family": "word"
out "quarantined": 0
$ taster drill a.csv -c c.yaml --family word --seeds 2 --rows 1
exit 0
out Trials that recovered less than 90%
