A list of suspected label errors is as long on clean data as on wrong data, so nobody gets it unasked:
not by default, not with all detectors, but by its name.

sample reviews.parquet
file c.yaml
    taster: 1
    extra_columns: allow
    columns:
      text: {role: text}
      label: {role: label}

$ taster check reviews.parquet -c c.yaml --select P --fail-on never --format json
no-out P132

$ taster check reviews.parquet -c c.yaml --select label-conflict --fail-on never
exit 0
out P132
out suspected label errors

$ taster rules
out on request: the few rows
