A detector that does not exist is one mistake and one message.
file a.csv
    text,label
    fine,pos
file c.yaml
    taster: 1
    poisoning: {detectors: {shared-triger: off}}
$ taster check a.csv -c c.yaml
exit 2
err error[C003]: there is no detector `shared-triger`
err did you mean `shared-trigger`?
err 1 error in c.yaml
