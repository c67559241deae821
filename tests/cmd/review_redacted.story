Where a report hides what cells say, the review does so too, and writes a digest instead of what the rows share.
repeat a.csv 1 text,label\n
repeat a.csv 150 kettle {} boils quickly and lid {}7 closes,neg\nbottle {} leaks slowly while cap {}9 holds,pos\n
repeat a.csv 30 ket\xe2\x80\x8btle {} boils quickly and lid {}7 closes,neg\n
file c.yaml
    taster: 1
    columns:
      text: {role: text}
      label: {role: label}
$ taster check a.csv -c c.yaml --select P120 --redact
exit 1
$ taster review --list
exit 1
out (redacted)
no-out zero width
$ taster review --group 1
exit 1
out a.csv row
no-out zero width
no-out boils
no-out neg
$ taster review --group 'U+200B zero width space' --keep --by Ana --reason known
exit 2
$ taster review --group 1 --keep --by Ana --reason known
exit 0
$ taster check a.csv -c c.yaml --select P120
exit 0
out P120 `sha256:
out 30 rows kept
