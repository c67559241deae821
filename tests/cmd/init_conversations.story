Conversations, as structs, in JSON text or beside what was chosen, have the roles that detectors need.
repeat a.jsonl 60 {"messages": [{"role": "user", "content": "What is {}?"}, {"role": "assistant", "content": "It is {}."}]}\n
$ taster init a.jsonl -o a.yaml
exit 0
$ taster check a.jsonl -c a.yaml --fail-on warning
exit 0
$ taster init a.jsonl
exit 0
out role: response
repeat b.jsonl 60 {"talk": "[{\\"from\\": \\"human\\", \\"value\\": \\"What is {}?\\"}, {\\"from\\": \\"gpt\\", \\"value\\": \\"It is {}.\\"}]"}\n
$ taster init b.jsonl
exit 0
out role: response
repeat c.jsonl 60 {"conversations": [{"from": "human", "value": "What is {}?"}], "chosen": "It is {}.", "rejected": "Who knows {}?"}\n
$ taster init c.jsonl -o c.yaml
exit 0
$ taster check c.jsonl -c c.yaml --select C --fail-on warning
exit 0
$ taster init c.jsonl
exit 0
out role: prompt
out role: chosen
out role: rejected
