Only listed functions; this one would read a file elsewhere.
file a.csv
    text
    fine
file c.yaml
    taster: 1
    rules:
      - expression: >-
          text <> read_csv('/etc/passwd')
$ taster check a.csv -c c.yaml
exit 2
err read_csv
