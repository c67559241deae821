A reference to nothing fails by row; a null refers to nothing; files outside the roots stay closed.
file data/films.csv
    site,id,title
    a,1,one
    a,2,two
    b,1,three
file data/votes.csv
    site,film,stars
    a,1,3
    b,2,4
    ,9,5
    b,1,1
file data/c.yaml
    taster: 1
    columns: {site: {type: string}, film: {type: int8}}
    rules:
      - references: {column: film, in: films.csv, key: id}
      - references: {columns: [site, film], in: films.csv, key: [site, id]}
        name: both
$ taster check data/votes.csv -c data/c.yaml --select C
exit 1
out error[C135] film in films.csv
out 1 of 4 rows is not in films.csv
out 1 of 3 rows is not in films.csv
file data/c.yaml
    taster: 1
    rules:
      - references: {column: film, in: films.csv, key: title}
$ taster check data/votes.csv -c data/c.yaml --select C
exit 1
out 4 of 4 rows are not in films.csv
file data/c.yaml
    taster: 1
    rules:
      - references: {column: film, in: films.csv}
$ taster check data/votes.csv -c data/c.yaml --select C
exit 2
err has no column `film`
err it has: site, id, title
file data/c.yaml
    taster: 1
    rules:
      - references: {column: film, in: ../films.csv, key: id}
$ taster check data/votes.csv -c data/c.yaml --select C
exit 2
err outside the contract's folder
