A contract that is not there is not replaced by guesses.
file a.csv
    text
    fine
$ taster check a.csv -c nowhere.yaml
exit 2
err nowhere.yaml
