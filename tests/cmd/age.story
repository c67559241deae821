Rules about age take the clock from `--now`, which the report prints: the same present gives the same verdict.
file a.csv
    id,at
    1,2026-02-27T10:00:00Z
    2,2026-02-20T10:00:00Z
    3,
    4,2025-01-01T00:00:00Z
file c.yaml
    taster: 1
    columns: {at: {type: 'timestamp(s, UTC)', role: time}}
    rules:
      - fresh: {within: 7d}
      - gaps: {column: at, max: 10d}
      - retention: {max: 365d}
        tolerance: 1%
$ taster check a.csv -c c.yaml --select C --now 2026-03-01T12:00:00Z
exit 1
out error[C161] gaps: at
out the longest pause is 415d 10h, from 2025-01-01T00:00:00Z
out 1 of 3 rows is older than 365d
$ taster check a.csv -c c.yaml --select C160 --now 2026-03-01T12:00:00Z
exit 0
$ taster check a.csv -c c.yaml --select stale-data --now 2026-03-10T12:00:00Z
exit 1
out error[C160] fresh
$ taster check a.csv -c c.yaml --select stale-data --now 2025-03-10T12:00:00Z
exit 1
out times after the
file d.yaml
    taster: 1
    rules:
      - fresh: {column: at, within: 1 month}
      - gaps: {column: at, max: 0s}
      - retention: {column: at}
$ taster check a.csv -c d.yaml
exit 2
err is a duration, not `1 month`
err leaves no time at all
err `retention` needs `max`
