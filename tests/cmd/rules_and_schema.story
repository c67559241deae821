The list of rules, the JSON Schema and completions go to stdout.
$ taster rules
exit 0
out C104  duplicate-key
$ taster schema
exit 0
out "$schema"
$ taster completions bash
exit 0
out taster
