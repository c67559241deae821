A line that is no JSON is named.
file a.jsonl
    {"text": "fine", "label": "pos"}
    {"text": "cut of
$ taster check a.jsonl
exit 2
err a.jsonl
err 2
