Inside braces a comma ends the value; one message says so and gives the form that works.
file a.csv
    price
    1.50
file c.yaml
    taster: 1
    columns:
      price: {type: decimal(10, 2), required: true}
$ taster check a.csv -c c.yaml
exit 2
err the type `decimal(10, 2)` has a comma
err type: 'decimal(10, 2)'
err 1 error in c.yaml
file quoted.yaml
    taster: 1
    columns:
      price: {type: 'decimal(10, 2)', required: true}
$ taster check a.csv -c quoted.yaml --select C
exit 0
file block.yaml
    taster: 1
    columns:
      price:
        type: decimal(10, 2)
$ taster check a.csv -c block.yaml --select C
exit 0
