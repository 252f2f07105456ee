"""The vendor's Python samples: requests, with the fields as a dictionary.

Usage: client.py BASE KEY SECRET IMAGE; prints the name of each step and its response.
"""

import base64
import sys

import requests

BASE, KEY, SECRET, IMAGE = sys.argv[1:]
BRIEF = '{"name":"海报", "id":"666"}'


def post(operation, **params):
    url = f"{BASE}/rest/2.0/realtime_search/same_hq/{operation}?access_token={token}"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return requests.post(url, data=params, headers=headers).text


host = f"{BASE}/oauth/2.0/token?grant_type=client_credentials&client_id={KEY}&client_secret={SECRET}"
grant = requests.get(host)
token = grant.json()["access_token"]
with open(IMAGE, "rb") as file:
    image = base64.b64encode(file.read())

print("token", grant.text)
print("add", post("add", brief=BRIEF, image=image, tags="1,1"))
print("add-again", post("add", brief=BRIEF, image=image, tags="1,1"))
print("search", post("search", image=image))
print("update-nothing", post("update", image=image))
print("update", post("update", image=image, brief="new"))
print("search-updated", post("search", image=image, tags="1"))
print("delete", post("delete", image=image))
print("search-deleted", post("search", image=image))
