Patterns are linear-time, so look-around is refused with a reason.
file a.csv
    text
    fine
file c.yaml
    taster: 1
    columns:
      text: {type: string, pattern: '(?=x)y'}
$ taster check a.csv -c c.yaml
exit 2
err look-around
