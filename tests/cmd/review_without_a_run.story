A review needs a finished check of this very data.
repeat a.csv 1 text,label\n
repeat a.csv 150 kettle {} boils quickly and lid {}7 closes,neg\nbottle {} leaks slowly while cap {}9 holds,pos\n
repeat a.csv 30 ket\xe2\x80\x8btle {} boils quickly and lid {}7 closes,neg\n
file c.yaml
    taster: 1
    columns:
      text: {role: text}
      label: {role: label}
$ taster review
exit 2
err run `taster check` first
$ taster check a.csv -c c.yaml --select P120
exit 1
repeat a.csv 1 one more row,neg\n
$ taster review --list
exit 2
err is about other data than this
err check the data again
