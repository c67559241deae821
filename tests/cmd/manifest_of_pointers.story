Pointers of Git-LFS and DVC are sources of truth too.
raw data/a.csv hello
file lfs
    version https://git-lfs.github.com/spec/v1
    oid sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
    size 5
file a.csv.dvc
    outs:
    - md5: 5d41402abc4b2a76b9719d911017c592
      size: 5
      hash: md5
      path: a.csv
file listing.dir
    [{"md5": "5d41402abc4b2a76b9719d911017c592", "relpath": "a.csv"}]
$ taster manifest verify data/a.csv -m lfs
exit 0
out 1 file of a Git-LFS pointer: unchanged
$ taster manifest verify data -m a.csv.dvc
exit 0
out a DVC pointer
err MD5 holds against accidents
$ taster manifest verify data -m listing.dir --exact
exit 0
raw data/a.csv hallo
$ taster manifest verify data/a.csv -m lfs
exit 1
out changed  a.csv: same size, other content
$ taster manifest verify data -m a.csv.dvc
exit 1
out changed  a.csv
raw sums 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824  ../a.csv\n
$ taster manifest verify data -m sums
exit 2
err is no path below
raw sums hello\n
$ taster manifest verify data -m sums
exit 2
err line 1 is no line
raw sums {}
$ taster manifest verify data -m sums
exit 2
err neither a manifest nor Croissant
