What a cell holds never reaches the terminal as a command.
raw a.csv text,label\n\x1b[2Jgone\x07,bad\x1b]0;owned\nfine,pos\n
file c.yaml
    taster: 1
    columns:
      label: {type: string, allowed: [pos, neg]}
$ taster check a.csv -c c.yaml
exit 1
no-out \x1b
no-err \x1b
no-out \x07
