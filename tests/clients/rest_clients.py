"""Clients of the REST API in several languages, and the checks of what they print.

Some are written like the samples of the vendor's documentation, which people copy: each language
encodes the form and frames the HTTP request in its own way. Others use the vendor's SDKs. All make the
same calls with one image, and print the name of each step and its response. The library is empty at
the start and at the end of each.
"""

import json
import pathlib
import subprocess

CLIENTS = pathlib.Path(__file__).resolve().parent
JARS = CLIENTS.parent.parent / ".tools" / "java"
# Java and Mono take the encoding of sources and output from it.
ENVIRONMENT = {"LC_ALL": "C.UTF-8"}
BRIEF = '{"name":"海报", "id":"666"}'


def build(folder, python):
    """Compiles what needs it, and returns the command of each client without its arguments."""
    samples = CLIENTS / "samples"
    sample = folder / "client"
    compile_cpp = ["g++", "-Wno-deprecated-declarations", "-o", sample, samples / "client.cpp", "-lcurl"]
    compile_cs = ["mcs", f"-out:{folder / 'Client.exe'}", samples / "Client.cs"]
    builds = [subprocess.Popen(command) for command in (compile_cpp, compile_cs)]
    assert all(build.wait() == 0 for build in builds), "a client does not compile"
    return {
        "curl sample": [samples / "curl.sh"],
        "PHP sample": ["php", samples / "client.php"],
        "Java sample": ["java", samples / "Client.java"],
        "Python sample": [python, samples / "client.py"],
        "C++ sample": [sample],
        "C# sample": ["mono", folder / "Client.exe"],
        "Node baidu-aip-sdk": ["node", CLIENTS / "node" / "sdk.js"],
        "Java com.baidu.aip:java-sdk": ["java", "-cp", f"{JARS}/*", CLIENTS / "java" / "Sdk.java"],
    }


def check(output):
    """Returns a line for each check of a client's output: `ok NAME` or `FAILED NAME: RESPONSES`."""
    lines = (line.partition(" ") for line in output.splitlines())
    steps = {name: json.loads(response) for name, _, response in lines}
    return [f"ok {name}" if holds else f"FAILED {name}: {output!r}" for name, holds in checks(steps)]


def checks(steps):
    """Yields the name of each check and whether it holds."""
    if "token" in steps:
        yield "the token is one of 30 days", steps["token"].get("expires_in") == 2592000
    added = steps.get("add", {})
    sign = added.get("cont_sign")
    yield "add returns the sign", set(added) == {"cont_sign", "log_id"}
    again = steps.get("add-again", {})
    yield "a second add returns the code and the sign", (
        again.get("error_code") == 216681 and again.get("cont_sign") == sign
    )
    found = [{"cont_sign": sign, "score": 1.0, "brief": BRIEF}]
    yield "search finds the image with its brief", matches(steps.get("search")) == found
    if "update-nothing" in steps:
        # As the vendor's sample for it.
        yield "update with only an image succeeds", set(steps["update-nothing"]) == {"log_id"}
    yield "update returns the log id", set(steps.get("update", {})) == {"log_id"}
    updated = [{"cont_sign": sign, "score": 1.0, "brief": "new"}]
    yield "search finds the new brief by tag", matches(steps.get("search-updated")) == updated
    yield "delete returns the log id", set(steps.get("delete", {})) == {"log_id"}
    yield "search finds the deleted image no more", matches(steps.get("search-deleted")) == []


def matches(response):
    """Returns the matches of a search whose other fields are right."""
    result = (response or {}).get("result")
    right = {"result_num": len(result or ()), "has_more": False}
    return result if {key: (response or {}).get(key) for key in right} == right else None
