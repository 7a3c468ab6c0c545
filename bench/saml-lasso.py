"""What lasso does in a second of CPU: one JSON object of messages in, one of rates out.

The folder in argv[1] holds sp.xml, idp.xml, key.pem and certificate.pem; both parties use the one key. An operation that
lasso refuses is answered by its error instead of a rate.
"""
import json
import os
import sys
import time

import lasso
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

FOLDER = sys.argv[1]
ROUNDS = 7
ROUND_SECONDS = 0.15


def path(name):
    return os.path.join(FOLDER, name)


SERVER = lasso.Server(path("sp.xml"), path("key.pem"), None, path("certificate.pem"))
SERVER.signatureMethod = lasso.SIGNATURE_METHOD_RSA_SHA256
SERVER.addProvider(lasso.PROVIDER_ROLE_IDP, path("idp.xml"), None, None)
GIVEN = json.load(sys.stdin)


def login_with(message):
    login = lasso.Login(SERVER)
    login.processAuthnResponseMsg(message)
    return login


def judged(message):
    logout = lasso.Logout(SERVER)
    logout.processRequestMsg(message)
    if logout.signatureStatus not in (None, 0):
        raise ValueError("signature status %s" % logout.signatureStatus)
    return logout.nameIdentifier.content


def signed_in():
    """A logout of somebody who signed in by the Response; made once, since lasso takes a session by text only."""
    login = login_with(GIVEN["response"])
    login.acceptSso()
    logout = lasso.Logout(SERVER)
    logout.setSessionFromDump(login.session.dump())
    return logout


LOGOUT = signed_in()


def request(method):
    LOGOUT.initRequest(GIVEN["issuer"], method)
    LOGOUT.buildRequestMsg()
    return LOGOUT.msgBody or LOGOUT.msgUrl


with open(path("key.pem"), "rb") as file:
    KEY = serialization.load_pem_private_key(file.read(), None)
OCTETS = b"x" * 700
SIGNATURE = KEY.sign(OCTETS, padding.PKCS1v15(), hashes.SHA256())


OPERATIONS = {
    "rawSign": lambda: KEY.sign(OCTETS, padding.PKCS1v15(), hashes.SHA256()),
    "rawVerify": lambda: KEY.public_key().verify(SIGNATURE, OCTETS, padding.PKCS1v15(), hashes.SHA256()),
    "response": lambda: login_with(GIVEN["response"]).assertion.subject.nameId.content,
    "logoutByPost": lambda: judged(GIVEN["logoutByPost"]),
    "logoutByRedirect": lambda: judged(GIVEN["logoutByRedirect"]),
    "signsRedirect": lambda: request(lasso.HTTP_METHOD_REDIRECT),
    "signsPost": lambda: request(lasso.HTTP_METHOD_POST),
}


def rate(operation):
    operation()
    best = 0.0
    for _ in range(ROUNDS):
        before, count = time.process_time(), 0
        until = time.monotonic() + ROUND_SECONDS
        while time.monotonic() < until:
            operation()
            count += 1
        best = max(best, count / (time.process_time() - before))
    return best


def answer(operation):
    try:
        return {"made": str(operation()), "perCpuSecond": rate(operation)}
    except Exception as error:  # a refusal is a result
        return {"refused": "%s %s" % (type(error).__name__, error)}


json.dump({name: answer(operation) for name, operation in OPERATIONS.items()}, sys.stdout)
