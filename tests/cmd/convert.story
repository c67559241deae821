A document of the Open Data Contract Standard is checked as it is, becomes a contract, and comes back as it was.
file a.odcs.yaml
    kind: DataContract
    apiVersion: v3.1.0
    id: films
    version: 1.0.0
    status: active
    team: {name: films, members: [{username: ada}]}
    schema:
    - name: notes
      properties:
      - name: id
        logicalType: integer
        primaryKey: true
      - name: stars
        logicalType: integer
        logicalTypeOptions: {minimum: 1, maximum: 5}
        classification: public
      - name: label
        logicalType: string
        customProperties:
        - {property: taster.role, value: label}
        quality:
        - {metric: invalidValues, mustBe: 0, arguments: {validValues: [neg, pos]}}
        - {type: text, description: A person has looked at it.}
      quality:
      - {metric: rowCount, mustBeGreaterThan: 1}
file a.csv
    id,stars,label
    1,5,pos
    2,9,neg
$ taster check a.csv -c a.odcs.yaml --select C
exit 1
out stars: range 1..5
out a.odcs.yaml:15:26
out 3 quality rules in the document: 2 enforced, 1 documentation only, 0 unsupported
$ taster convert a.odcs.yaml -o c.yaml
exit 0
err line 22: label.invalidValues: enforced
err line 23: label.text: documentation only: prose
$ taster check a.csv -c c.yaml --select C
exit 1
out stars: range 1..5
$ taster diff a.odcs.yaml c.yaml
exit 0
out no difference
$ taster convert c.yaml
exit 0
out kind: DataContract
out username: ada
out classification: public
out A person has looked at it.
$ taster convert a.odcs.yaml -o c.yaml
exit 2
err c.yaml is already there
