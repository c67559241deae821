Whatever kinds of columns a file holds, it passes the contract that was made from it.
repeat m.csv 1 id,when,at,share,big,mixed,flag,pct,padded,empty\n
repeat m.csv 150 {},2024-01-05,2024-01-01T00:10:00,0.{},99999999999999999999{},{},true,{}%,00{},\n
repeat m.csv 50 9{},2024-02-05,2024-01-01T01:10:00,-1e300,1,x{},false,{}%,07,\n
$ taster init m.csv -o csv.yaml
exit 0
$ taster check m.csv -c csv.yaml --select C --fail-on warning
exit 0
repeat m.jsonl 90 {"id": {}, "deep": {"a": {}, "b": [1, 2]}, "text": null, "f": {}.5, "none": []}\n
repeat m.jsonl 10 {"id": 9{}, "deep": {"a": 1, "b": []}, "text": "x: y # z", "f": -1e-300, "none": []}\n
$ taster init m.jsonl -o json.yaml
exit 0
$ taster check m.jsonl -c json.yaml --select C --fail-on warning
exit 0
