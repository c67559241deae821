Nothing can be planted without classes, replies, pairs or documents: nothing was measured, and each family says why.
file a.csv
    text
    the kettle boils quickly and looks nice
    my brother uses this tent in every season
file c.yaml
    taster: 1
    columns:
      text: {type: string, role: prompt}
$ taster drill a.csv -c c.yaml
exit 3
out word, phrase, common-word, covered, together, synonyms, inside-word, name, hidden, lookalike, flood, value, common-value, pair: there is no label with two classes or more
out reply, tail, refusal, nonsense, foreign, link, brand: no columns of text have the roles prompt and response
out gibberish: no column holds documents without labels
out swap: no columns of text have the roles chosen and rejected
out patch, blend, sinusoid: no column holds images
out shift, clump: no column holds vectors
