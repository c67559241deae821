Sources, licences, flips, near copies and groups: each says who is guilty, and how many of how many.
file data.csv
    id,site,licence,label,text
    1,a.example,MIT,pos,the committee met again on a grey morning and nobody but the clerk of the town had read the long report on the bridge
    2,a.example,mit,neg,the committee met again on a cold morning and nobody but the clerk of the town had read the long report on the bridge
    3,a.example,GPL-3.0 OR MIT,pos,a walk along the river takes two hours when the ground is dry
    4,b.example,,neg,our neighbour keeps bees and sells the honey at the gate
file v1.csv
    id,label
    1,pos
    2,pos
    3,pos
file c.yaml
    taster: 1
    columns:
      id: {role: id, references: {in: v1.csv}, tolerance: 25%}
      label: {role: label}
      text: {role: text}
    rules:
      - source_share: {column: site, max: 60%}
      - licence: {column: licence, allowed: [MIT]}
      - flip_rate: {in: v1.csv, max: 10%}
      - near_duplicates: {max: 20%}
      - rows: {min: 2}
        by: site
      - expression: label = 'pos'
        when: site = 'a.example'
        tolerance: 50%
    poisoning: {detectors: off}
$ taster check data.csv -c c.yaml
exit 1
out `a.example` has 75.0% (3 of 4 rows); the contract asks for at most 60%
out 1 of 4 rows has no allowed licence (25.0%)
out 1 of 3 rows has another label than in v1.csv (33.3%, tolerance 10%)
out 2 of 4 rows have a near copy in another row (50.0%, tolerance 20%)
out b.example: 1 row; the contract asks for at least 2
$ taster check data.csv -c c.yaml --select C135,C121
exit 0
