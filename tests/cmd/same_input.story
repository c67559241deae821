The same input under two labels fails for all its rows; without a label a row says nothing.
file a.csv
    title,text,label
    a,dull,neg
    a,dull,pos
    b,dull,pos
    b,dull,
file c.yaml
    taster: 1
    columns: {label: {role: label}}
    rules:
      - same_input: [title, text]
$ taster check a.csv -c c.yaml --select C
exit 1
out error[C133] same_input [title, text]
out 2 of 3 rows have an input that stands under another label too
out 1 key under more than one
