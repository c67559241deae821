A suspect group says which account its rows come from, on which days, and where they lie.
repeat a.csv 1 text,label,site,day\n
repeat a.csv 150 kettle {} boils quickly and lid {}7 closes,neg,shop,2024-01-05\nbottle {} leaks slowly while cap {}9 holds,pos,shop,2024-03-08\n
repeat a.csv 30 ket\xe2\x80\x8btle {} boils quickly and lid {}7 closes,pos,forum,2024-02-11\n
file c.yaml
    taster: 1
    columns:
      text: {role: text}
      label: {role: label}
      site: {role: source}
      day: {role: time, type: date}
$ taster check a.csv -c c.yaml --select P120
exit 1
out all 30 of its rows have site "forum", as do 16.7% of all rows with this label
out all 30 of its rows have day 2024-02-11, as do
out rows lie between rows 300 and 326
