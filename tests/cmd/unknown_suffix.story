A file of no known kind says which kinds there are.
file a.xyz
    hello
$ taster check a.xyz
exit 2
err a.xyz
