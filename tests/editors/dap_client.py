"""A debugger's user interface, as far as it takes to stop a program and to step through it."""
import json
import os
import subprocess
import sys
import time

NOTES = os.environ["NOTES"]


def note(line):
    with open(os.path.join(NOTES, "log"), "a") as log:
        log.write(line.replace("\n", " ") + "\n")


def told(word):
    while not os.path.exists(os.path.join(NOTES, word)):
        time.sleep(0.02)


adapter = subprocess.Popen(
    ["sh", "-c", "exec " + sys.argv[1]],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    stderr=open(os.path.join(NOTES, "errors"), "w"),
)
sequence = 0


def send(command, **arguments):
    global sequence
    sequence += 1
    body = json.dumps({"seq": sequence, "type": "request", "command": command, "arguments": arguments}).encode()
    adapter.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    adapter.stdin.flush()


def wait_for(kind, name):
    """The next message of that kind, whatever comes before it."""
    while True:
        length = int(adapter.stdout.readline().split(b":")[1])
        adapter.stdout.readline()
        message = json.loads(adapter.stdout.read(length))
        if message["type"] == kind and message[{"event": "event", "response": "command"}[kind]] == name:
            assert message.get("success", True), message
            return message["body"] if "body" in message else {}


def where():
    thread = wait_for("event", "stopped")["threadId"]
    send("stackTrace", threadId=thread)
    frame = wait_for("response", "stackTrace")["stackFrames"][0]
    note(f"stopped {os.path.basename(frame['source']['path'])}:{frame['line']}")
    return thread


send("initialize", adapterID="debugpy", pathFormat="path", linesStartAt1=True)
wait_for("response", "initialize")
send("launch", program=os.path.abspath(sys.argv[2]), console="internalConsole", stopOnEntry=True)
wait_for("event", "initialized")
send("configurationDone")
thread = where()
told("cut")
send("next", threadId=thread)
note("asked")
where()
note(f"ended {adapter.wait()}")
note("said " + open(os.path.join(NOTES, "errors")).read())
told("end")
