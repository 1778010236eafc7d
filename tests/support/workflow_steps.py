# Prints the steps of a GitHub Actions workflow: fields end in 0x1f, steps in 0x1e.
import sys

import yaml

with open(sys.argv[1], encoding="utf-8") as file:
    jobs = yaml.safe_load(file)["jobs"]
for job, content in jobs.items():
    for step in content["steps"]:
        fields = [job] + [str(step.get(key, "")) for key in ("name", "if", "run")]
        sys.stdout.write("".join(field + "\x1f" for field in fields) + "\x1e")
