What stands in a cell, a group or a decision cannot move the terminal, neither in the walk nor in the next check.
repeat a.csv 1 text,label\n
repeat a.csv 150 kettle {} boils quickly and lid {}7 closes,neg\nbottle {} leaks slowly while cap {}9 holds,pos\n
repeat a.csv 30 ket\x1b[2Jtle \xe2\x80\xae{} boils quickly and lid {}7 closes,neg\n
file c.yaml
    taster: 1
    columns:
      text: {role: text}
      label: {role: label}
$ taster check a.csv -c c.yaml --select P120
exit 0
type r\nred \x1b]0;title\x07 herring\n\xe2\x80\xaeAna\nr\nagain\nBo\n
$ taster review --examples 3
exit 0
out ket«<U+001B>»[2Jtle
out red <U+001B>]0;title<U+0007> herring
no-out \x1b
no-out \xe2\x80\xae
$ taster review --list
exit 0
no-out \x1b
no-out \xe2\x80\xae
$ taster check a.csv -c c.yaml --select P120
exit 1
out Decided by people
no-out \x1b
no-out \xe2\x80\xae
