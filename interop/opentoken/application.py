"""An application that takes part by OpenToken, written from the description of the format and from nothing else.

It shares no code with this project: Python's standard library, and AES and 3DES of python3-cryptography. It behaves as
an application built on the kit of the replaced product does: it takes a token, keeps a session, and has a logout service
that reads `resume`, ends the session, and sends the browser back without a word.

  application.py serve --port N --authority URL --password TEXT
  application.py encode|decode --password TEXT --suite N     JSON lines in, JSON lines out
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import struct
import sys
import warnings
import zlib
from datetime import datetime, timedelta, timezone
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

warnings.filterwarnings("ignore")
from cryptography.hazmat.primitives import padding  # noqa: E402
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: E402

# Suite: cipher, bytes of key, bytes of block and IV.
SUITES = {1: (algorithms.AES, 32, 16), 2: (algorithms.AES, 16, 16), 3: (algorithms.TripleDES, 24, 8)}
PAYLOAD_MAX = 65536


class Refused(Exception):
    pass


def derive(password, suite):
    return hashlib.pbkdf2_hmac("sha1", password.encode(), bytes(8), 1000, SUITES[suite][1])


def mac_of(key, suite, iv, info, text):
    return hmac.new(key, bytes([1, suite]) + iv + info + text, hashlib.sha1).digest()


def encode(pairs, password, suite):
    cipher, _, block = SUITES[suite]
    key = derive(password, suite)
    iv = os.urandom(block)
    text = "\n".join(f"{name}={quoted(value)}" for name, value in pairs).encode()
    padder = padding.PKCS7(block * 8).padder()
    padded = padder.update(zlib.compress(text)) + padder.finalize()
    encryptor = Cipher(cipher(key), modes.CBC(iv)).encryptor()
    payload = encryptor.update(padded) + encryptor.finalize()
    head = b"OTK" + bytes([1, suite]) + mac_of(key, suite, iv, b"", text) + bytes([len(iv)]) + iv + bytes([0])
    token = head + struct.pack(">H", len(payload)) + payload
    return base64.urlsafe_b64encode(token).decode().replace("=", "*")


def decode(token, password, suite):
    try:
        octets = base64.b64decode(token.replace("*", "=").replace("-", "+").replace("_", "/"), validate=True)
        cipher, _, block = SUITES[suite]
        if octets[:5] != b"OTK" + bytes([1, suite]) or octets[25] != block:
            raise Refused()
        at = 26 + block
        iv, info = octets[26:at], octets[at + 1 : at + 1 + octets[at]]
        at += 1 + octets[at]
        (length,) = struct.unpack(">H", octets[at : at + 2])
        payload = octets[at + 2 :]
        if len(payload) != length:
            raise Refused()
        key = derive(password, suite)
        decryptor = Cipher(cipher(key), modes.CBC(iv)).decryptor()
        unpadder = padding.PKCS7(block * 8).unpadder()
        packed = unpadder.update(decryptor.update(payload) + decryptor.finalize()) + unpadder.finalize()
        inflater = zlib.decompressobj()
        text = inflater.decompress(packed, PAYLOAD_MAX)
        if inflater.unconsumed_tail or not inflater.eof or inflater.unused_data:
            raise Refused()
        if not hmac.compare_digest(mac_of(key, suite, iv, info, text), octets[5:25]):
            raise Refused()
        return lines_of(text.decode())
    except (ValueError, KeyError, IndexError, struct.error, zlib.error) as error:
        raise Refused() from error


def quoted(value):
    if re.fullmatch(r"[^\s'\"\\\x00-\x1f\x7f-\x9f](?:[^'\"\\\x00-\x1f\x7f-\x9f]*[^\s'\"\\\x00-\x1f\x7f-\x9f])?|", value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def lines_of(text):
    pairs, at = [], 0
    while at < len(text):
        match = re.compile(r"[ \t]*([^=\n]*?)[ \t]*=[ \t]*").match(text, at)
        if match is None:
            raise Refused()
        at = match.end()
        if at < len(text) and text[at] in "'\"":
            quote, value, at = text[at], "", at + 1
            while text[at] != quote:
                if text[at] == "\\" and text[at + 1] in "\\'\"":
                    at += 1
                value += text[at]
                at += 1
            at += 2
        else:
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
            value, at = text[at:end], end + 1
        pairs.append([match.group(1), value])
    return pairs


def user_of(token, password, suite):
    """The subject of a token that may be used now."""
    pairs = decode(token, password, suite)
    values = dict(pairs)
    now = datetime.now(timezone.utc)
    instant = lambda name: datetime.strptime(values[name], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)  # noqa: E731
    if [name for name, _ in pairs].count("subject") != 1 or not values["subject"]:
        raise Refused()
    if now >= instant("not-on-or-after") or now + timedelta(seconds=5) < instant("not-before"):
        raise Refused()
    return values["subject"]


class Handler(BaseHTTPRequestHandler):
    sessions = {}

    def do_GET(self):
        self.answer(parse_qs(urlsplit(self.path).query, keep_blank_values=True))

    def do_POST(self):
        body = self.rfile.read(min(int(self.headers.get("content-length", 0)), 200000)).decode()
        self.answer({**parse_qs(urlsplit(self.path).query), **parse_qs(body, keep_blank_values=True)})

    def answer(self, parameters):
        one = lambda name: parameters.get(name, [""])[0]  # noqa: E731
        try:
            path = urlsplit(self.path).path
            if path == "/open":
                name = secrets.token_urlsafe(24)
                self.sessions[name] = user_of(one("opentoken"), self.server.password, self.server.suite)
                return self.send(303, "", location="/", cookie=name)
            if path == "/logout":
                user_of(one("opentoken"), self.server.password, self.server.suite)
                self.sessions.pop(self.cookie(), None)
                if not re.fullmatch(r"/(sp|idp)/[\w.-]+/resume/[\w./-]+", one("resume")):
                    raise Refused()
                return self.send(303, "", location=self.server.authority + one("resume"))
            return self.send(200, self.sessions.get(self.cookie(), "nobody"))
        except (Refused, KeyError, ValueError):
            return self.send(400, "refused")

    def cookie(self):
        found = SimpleCookie(self.headers.get("cookie", "")).get("session")
        return "" if found is None else found.value

    def send(self, status, body, location=None, cookie=None):
        self.send_response(status)
        if location is not None:
            self.send_header("location", location)
        if cookie is not None:
            self.send_header("set-cookie", f"session={cookie}; Path=/; HttpOnly; SameSite=Lax")
        self.send_header("content-length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["serve", "encode", "decode"])
    parser.add_argument("--password", required=True)
    parser.add_argument("--suite", type=int, default=2, choices=list(SUITES))
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--authority", default="")
    options = parser.parse_args()
    if options.what == "serve":
        server = ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
        server.password, server.suite, server.authority = options.password, options.suite, options.authority
        print(server.server_address[1], flush=True)
        return server.serve_forever()
    for line in sys.stdin:
        value = json.loads(line)
        try:
            result = encode(value, options.password, options.suite) if options.what == "encode" else decode(value, options.password, options.suite)
        except Refused:
            result = None
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
