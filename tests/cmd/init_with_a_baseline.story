A first contract can come with a baseline: a profile beside it, and a rule that holds later data against it. The data
itself passes; data whose shares have moved does not. With too few rows there is no such rule, and init says so.
repeat a.csv 1 id,colour,size\n
repeat a.csv 1500 r{},red,{}\n
repeat a.csv 1500 b{},blue,{}\n
repeat b.csv 1 id,colour,size\n
repeat b.csv 300 r{},red,{}\n
repeat b.csv 2700 b{},blue,{}\n
repeat few.csv 1 id,colour,size\n
repeat few.csv 10 r{},red,{}\n
repeat few.csv 10 b{},blue,{}\n
$ taster init a.csv -o a.yaml --profile base/a.profile
exit 2
$ taster init a.csv -o a.yaml --profile a.profile
exit 0
exists a.yaml
exists a.profile
$ taster check a.csv -c a.yaml --select C
exit 0
$ taster check b.csv -c a.yaml --select C150
exit 1
out `colour`: psi
$ taster init a.csv -o b.yaml --profile a.profile
exit 2
err a.profile is already there
absent b.yaml
$ taster init a.csv -o b.yaml --profile a.profile --force
exit 0
$ taster init few.csv -o few.yaml --profile few.profile
exit 0
err with rows enough to tell drift from chance
exists few.profile
$ taster check few.csv -c few.yaml --select C
exit 0
$ taster init a.csv -o c.yaml --profile c.yaml
exit 2
err cannot be one file
absent c.yaml
