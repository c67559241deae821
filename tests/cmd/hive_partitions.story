Folders named `key=value` give a column.
file data/lang=de/a.csv
    text
    gut
file data/lang=fr/a.csv
    text
    bon
file c.yaml
    taster: 1
    columns:
      lang: {type: string, allowed: [de, en]}
$ taster check data -c c.yaml --quarantine list.jsonl
exit 1
out lang
exists list.jsonl
