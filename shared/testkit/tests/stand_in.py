#!/usr/bin/env python3
"""Stands in for our binary where the testkit tests itself: an operations listener, an exit on SIGTERM, a verb."""

import http.server
import os
import signal
import sys

if sys.argv[1] == "verb":
    print("said", sys.argv[2:], sorted(name for name in os.environ if name.startswith("CHAT_")))
    sys.exit(3)
if sys.argv[1] == "broken":
    sys.exit("cannot start: no reason")


class Ops(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
        self.wfile.write(" ".join(sys.argv[1:]).encode())


signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
host, port = sys.argv[sys.argv.index("--ops-listen") + 1].split(":")
http.server.HTTPServer((host, int(port)), Ops).serve_forever()
