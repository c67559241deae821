Without a contract and without a role that a detector works on, nothing was checked: that is no pass.
file a.csv
    id,name,amount
    1,x,3.5
    2,y,4
$ taster check a.csv
exit 3
out NOTHING CHECKED
out no contract was found
