A key that the grammar does not have is an error with a suggestion.
file a.csv
    text
    fine
file c.yaml
    taster: 1
    columns:
      text: {type: string, requird: true}
$ taster check a.csv -c c.yaml
exit 2
err requird
err did you mean
err c.yaml:3
