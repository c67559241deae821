The patch that suspect images share is a small picture beside the report, and goes when there is none any more.
sample shapes.parquet
file c.yaml
    taster: 1
    extra_columns: allow
    columns:
      picture: {role: image}
      shape: {role: label}
$ taster check shapes.parquet -c c.yaml
exit 1
out P170 image-patch
out what they share: taster-out/triggers/P170-1.png
exists taster-out/triggers/P170-1.png
$ taster check shapes.parquet -c c.yaml --redact
exit 1
no-out what they share
absent taster-out/triggers
