There is one label; a glob that hands the role to three columns leaves open which.
file a.csv
    text,label_a,label_b,label_c
    fine,1,0,1
    poor,0,1,0
file c.yaml
    taster: 1
    columns:
      label_*: {role: label}
$ taster check a.csv -c c.yaml
exit 2
err `label_a`, `label_b`, `label_c` would all have the role `label`
err c.yaml:3:19
err run once per label
file nothing.yaml
    taster: 1
    columns:
      lable_*: {role: label}
$ taster check a.csv -c nothing.yaml
exit 1
out no column matches `lable_*`
