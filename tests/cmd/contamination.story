Rows of an evaluation set are found whatever their case, quotes and spaces, and the set is named.
file evals/a.csv
    question
    The cat sat.
    A dull film
file evals/b.csv
    question
    nobody asks this
file a.csv
    text,label
    "the  cat ""sat""",x
    the cat sat down,y
    a dull film!,x
file c.yaml
    taster: 1
    columns: {text: {type: string, role: text}}
    rules:
      - contamination: {column: text, in: [evals/a.csv, evals/b.csv], key: question}
$ taster check a.csv -c c.yaml --select C
exit 1
out error[C136] text: contamination by evals/a.csv
out 2 of 3 rows stand in evals/a.csv
