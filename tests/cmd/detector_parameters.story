A parameter that no detector reads would be believed; so would a detector that does not exist.
file a.csv
    text,label
    fine,pos
file c.yaml
    taster: 1
    poisoning:
      detectors:
        shared-trigger: {strength: 1}
        hidden-unicode: {false_alarm: 1%}
        confusable-unicode:
$ taster check a.csv -c c.yaml
exit 2
err a parameter `strength` of `shared-trigger` is not supported yet
err `false_alarms` holds for all detectors
err `confusable-unicode` is `off` or `default`, here is nothing
err 3 errors in c.yaml
