
from pymongo.errors import WriteError

job = jobs.find_one({"queue": "greetings"})
for field, value in [("priority", "high"), ("due", 0), ("state", "someday")]:
    bad = {**job, field: value}
    del bad["_id"]
    try:
        jobs.insert_one(bad)
    except WriteError as refused:
        rules = str(refused.details["errInfo"]["details"])
        assert f"'{field}'" in rules, rules
        print("refused:", field)

document = jobs.find_one({"_id": "document"})
payload = document["payload"]
words = [document["priority"], payload["text"], payload["large"], payload["half"]]
print("document", document["state"], *words)
data = jobs.find_one({"_id": "bytes"})
print("bytes", data["state"], data["content_type"], data["payload"].hex())
dead = jobs.find_one({"_id": "dead"})
print("dead", dead["state"], dead["errors"][0]["message"], dead["errors"][0]["code"])
