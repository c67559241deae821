Fields of structs and elements of lists are checked where they are; a row fails when any of its elements does.
file a.jsonl
    {"id": 1, "answer": {"text": "fine", "score": 3}, "tags": ["a", "b"], "turns": [{"role": "user"}, {"role": "bot"}]}
    {"id": 2, "answer": {"text": "", "score": 9}, "tags": [], "turns": [{"role": "user"}]}
    {"id": 3, "answer": null, "tags": ["b", null, "zz"], "turns": [{"role": "cat"}]}
    {"id": 4, "tags": null}
file c.yaml
    taster: 1
    columns:
      id: {role: id}
      answer.text: {type: string, required: true, length: {min: 1}}
      answer.score: {type: int64, range: {max: 5}}
      'tags[]': {type: string, required: true, allowed: [a, b, c], pattern: '^.$'}
      turns[].role: {allowed: [user, bot]}
    extra_columns: forbid
$ taster check a.jsonl -c c.yaml --select C --quarantine list.csv
exit 1
out answer.text: required
out 2 of 4 rows are null
out answer.text: length 1.. characters
out answer.score: range ..5
out 1 of 2 rows is outside ..5
out tags[]: required
out 1 of 2 rows is null
out tags[]: allowed [a, b, c]
out 1 of 2 rows is none of [a, b, c]
out tags[]: pattern `^.$`
out turns[].role: allowed [user, bot]
out 1 of 3 rows is none of [user, bot]
no-out not evaluated
no-out extra_columns
file wrong.yaml
    taster: 1
    columns:
      answer.txt: {type: string}
      'tags[]': {unique: true}
      turns[].role: {role: label}
    rules:
      - unique: [id, 'tags[]']
$ taster check a.jsonl -c wrong.yaml
exit 2
err `unique` for the elements of a list (`tags[]`) is not supported yet
err a role for `turns[].role`
err `tags[]` is any number of values per row, and a rule wants one
