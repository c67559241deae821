A person walks through the suspect groups with the keyboard; the next check acts on what was decided.
repeat a.csv 1 text,label\n
repeat a.csv 150 kettle {} boils quickly and lid {}7 closes,neg\nbottle {} leaks slowly while cap {}9 holds,pos\n
repeat a.csv 30 ket\xe2\x80\x8btle {} boils quickly and lid {}7 closes,neg\n
file c.yaml
    taster: 1
    columns:
      text: {role: text}
      label: {role: label}
$ taster check a.csv -c c.yaml --select P120
exit 1
out   taster review\n
$ taster review --list
exit 1
out [1] P120 hidden-unicode `U+200B zero width space`
out 30 rows for quarantine
type m\nnonsense\nk\n\nthe catalogue writes it so\nAna\n
$ taster review --examples 1 --now 2026-11-23
exit 0
out Why it is suspect
out - stands where no writer puts it
out Why it may be honest all the same
out scraped from one site
out neg 30
out text: ket«<U+200B>»tle 0 boils quickly
out 4 of its 30 rows
out 30 rows kept; c.decisions.yaml says so
out 1 of 1 group decided
no-out \xe2\x80\x8b
$ taster review --list
exit 0
out keep (Ana, 2026-11-23: the catalogue writes it so)
$ taster check a.csv -c c.yaml --select P120
exit 0
out Decided by people
out 30 rows kept: the catalogue writes it so (Ana, 2026-11-23)
$ taster review
exit 0
out No detector accuses a row
