The manual page of a rule, by code and by name.
$ taster explain P110
exit 0
out shared-trigger
$ taster explain shared-trigger
exit 0
out P110
