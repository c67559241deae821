What the standard's own schema lets through is told where it stands; what nobody checks is no pass.
file a.csv
    id
    1
file bad.odcs.yaml
    kind: DataContract
    apiVersion: v3.1.0
    id: x
    version: 1.0.0
    status: active
    schema:
    - name: t
      properties:
      - name: id
        logicalType: integer
        quality:
        - {metric: rowCount, mustBe: 5}
        - {metric: nullValues, mustBeBetween: [5, 1], unit: percent}
$ taster convert bad.odcs.yaml
exit 2
err `rowCount` is about the object as a whole
err bad.odcs.yaml:12:7
err nothing lies between 5 and 1
file sql.odcs.yaml
    kind: DataContract
    apiVersion: v3.1.0
    id: x
    version: 1.0.0
    status: active
    schema:
    - name: t
      properties:
      - name: id
      quality:
      - {type: sql, query: select 1, mustBe: 0}
    - name: u
$ taster convert sql.odcs.yaml
exit 0
err object.sql: unsupported
err not `u`: name one with --object
$ taster check a.csv -c sql.odcs.yaml
exit 2
err the quality rule `object.sql` is not supported
err the contract describes several objects
$ taster check a.csv -c sql.odcs.yaml --object u --select C
exit 3
$ taster convert sql.odcs.yaml -o c.yaml
exit 0
$ taster check a.csv -c c.yaml --select C --fail-on warning
exit 1
out warning[C005] the quality rule `object.sql` was not translated and is not checked
