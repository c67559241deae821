Names and values that YAML would read as something else survive.
raw a.csv no,a: b,"x,y",*star,"quo""te",012\nyes,- x,# y,~,null,{a}\nno,- x,# z,&a,null,[b]\n
$ taster init a.csv -o c.yaml
exit 0
$ taster check a.csv -c c.yaml --select C
exit 0
