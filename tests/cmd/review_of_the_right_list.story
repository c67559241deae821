The list that is reviewed is the one that was written with the report, wherever it lies; an older one beside it is not taken for it.
repeat a.csv 1 text,label\n
repeat a.csv 150 kettle {} boils quickly and lid {}7 closes,neg\nbottle {} leaks slowly while cap {}9 holds,pos\n
repeat a.csv 30 ket\xe2\x80\x8btle {} boils quickly and lid {}7 closes,neg\n
file c.yaml
    taster: 1
    columns:
      text: {role: text}
      label: {role: label}
$ taster check a.csv -c c.yaml
exit 1
$ taster check a.csv -c c.yaml --select P120 --quarantine elsewhere/quarantine.parquet
exit 1
$ taster review --list
exit 1
out [1] P120 hidden-unicode
no-out [2]
$ taster review --list --quarantine taster-out/quarantine.parquet
exit 2
err is not the list of that run
move elsewhere/quarantine.parquet
$ taster review --list
exit 2
err the quarantine list of that run is gone
