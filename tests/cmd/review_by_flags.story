Everything that the walk asks can be said by flags. Whoever changes his mind is heard, and split acts on it, too.
repeat a.csv 1 text,label\n
repeat a.csv 150 kettle {} boils quickly and lid {}7 closes,neg\nbottle {} leaks slowly while cap {}9 holds,pos\n
repeat a.csv 30 ket\xe2\x80\x8btle {} boils quickly and lid {}7 closes,neg\n
file c.yaml
    taster: 1
    columns:
      text: {role: text}
      label: {role: label}
$ taster check a.csv -c c.yaml --select P120 --out run
exit 1
out taster review --from run
$ taster review --from run --group 1
exit 1
out ket«<U+200B>»tle
$ taster review --from run --group 1 --keep --by Ana
exit 2
err a decision needs its reason
$ taster review --from run --group 2 --keep --by Ana --reason known
exit 2
err no group is called `2`
$ taster review --from run --group 'P120:U+200B zero width space' --keep --by Ana --reason known --now 2026-11-23
exit 0
out 30 rows kept
$ taster split a.csv -c c.yaml --quarantine run/quarantine.parquet --out kept
exit 0
out By decision 30 rows stayed and 0 rows went
out No row is lost: 330 + 0 = 330
$ taster split a.csv --quarantine run/quarantine.parquet --out plain
exit 0
out No row is lost: 300 + 30 = 330
$ taster review --from run --group 1 --remove --by Bo --reason 'not known at all' --now 2026-11-24
exit 0
out 30 rows to be removed
$ taster review --from run --list
exit 0
out remove (Bo, 2026-11-24: not known at all)
no-out Ana
$ taster check a.csv -c c.yaml --select P120
exit 1
out 30 rows for quarantine: not known at all
$ taster split a.csv -c c.yaml --quarantine run/quarantine.parquet --out removed
exit 0
out No row is lost: 300 + 30 = 330
$ taster check removed/clean -c c.yaml --select P120
exit 0
out the rows that Bo wanted removed on 2026-11-24 are gone
