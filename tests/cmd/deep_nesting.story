Nesting without end does not end the stack.
file a.csv
    text
    fine
raw c.yaml taster: 1\nrules: 
repeat c.yaml 20000 [
$ taster check a.csv -c c.yaml
exit 2
err c.yaml
