"""A SAML partner made of lasso: one JSON command per line in, one JSON answer per line out.

The folder in argv[1] holds ours.xml and, for sp and idp each, NAME.xml, NAME.key and NAME.crt.
"""
import json
import os
import sys

import lasso

FOLDER = sys.argv[1]
OURS = sys.argv[2]


def path(name):
    return os.path.join(FOLDER, name)


def server(name, role):
    made = lasso.Server(path(name + ".xml"), path(name + ".key"), None, path(name + ".crt"))
    made.signatureMethod = lasso.SIGNATURE_METHOD_RSA_SHA256
    made.addProvider(role, path("ours.xml"), None, None)
    if os.path.exists(path(name + ".decrypt.key")):
        made.setEncryptionPrivateKey(path(name + ".decrypt.key"))
    return made


SERVERS = {
    "sp": server("sp", lasso.PROVIDER_ROLE_IDP),
    "idp": server("idp", lasso.PROVIDER_ROLE_SP),
}
METHODS = {"redirect": lasso.HTTP_METHOD_REDIRECT, "post": lasso.HTTP_METHOD_POST, "soap": lasso.HTTP_METHOD_SOAP}
STATE = {}


def remember(role, profile):
    if profile.session is not None:
        STATE[role + " session"] = profile.session.dump()
    if profile.identity is not None:
        STATE[role + " identity"] = profile.identity.dump()


def recalled(role, profile):
    if role + " session" in STATE:
        profile.setSessionFromDump(STATE[role + " session"])
    if role + " identity" in STATE:
        profile.setIdentityFromDump(STATE[role + " identity"])
    return profile


def sent(profile):
    return {"url": profile.msgUrl, "body": profile.msgBody}


def subject(name_id, index, issuer):
    return {
        "nameId": name_id.content,
        "format": name_id.format,
        "sessionIndex": index,
        "issuer": issuer,
    }


def authn_request(_):
    login = lasso.Login(SERVERS["sp"])
    login.initAuthnRequest(OURS, lasso.HTTP_METHOD_REDIRECT)
    login.request.nameIdPolicy.format = lasso.SAML2_NAME_IDENTIFIER_FORMAT_PERSISTENT
    login.request.nameIdPolicy.allowCreate = True
    login.request.protocolBinding = lasso.SAML2_METADATA_BINDING_POST
    login.buildAuthnRequestMsg()
    STATE["login"] = login.dump()
    return {"url": login.msgUrl, "id": login.request.iD}


def accept_response(command):
    # Made anew, so that one answer can be judged in many shapes: lasso remembers what it accepted.
    login = lasso.Login.newFromDump(SERVERS["sp"], STATE["login"])
    login.processAuthnResponseMsg(command["message"])
    login.acceptSso()
    remember("sp", login)
    assertion = login.assertion
    return subject(login.nameIdentifier, assertion.authnStatement[0].sessionIndex, assertion.issuer.content)


def respond(command):
    idp = SERVERS["idp"]
    provider = idp.getProvider(OURS)
    provider.setEncryptionMode(
        {"none": lasso.ENCRYPTION_MODE_NONE, "nameId": lasso.ENCRYPTION_MODE_NAMEID, "assertions": lasso.ENCRYPTION_MODE_ASSERTION}[
            command.get("encrypt", "none")
        ]
    )
    provider.setEncryptionSymKeyType(lasso.ENCRYPTION_SYM_KEY_TYPE_AES_128)
    provider.setKeyEncryptionMethod(lasso.KEY_ENCRYPTION_METHOD_OAEP)
    login = lasso.Login(idp)
    if command.get("signs"):
        login.setSignatureHint(lasso.PROFILE_SIGNATURE_HINT_FORCE)
    login.processAuthnRequestMsg(command["query"])
    login.validateRequestMsg(True, True)
    login.buildAssertion(lasso.SAML2_AUTHN_CONTEXT_PASSWORD, command["now"], command["now"], command["before"], command["after"])
    login.buildAuthnResponseMsg()
    remember("idp", login)
    assertion = login.assertion
    made = subject(login.nameIdentifier, assertion.authnStatement[0].sessionIndex, assertion.issuer.content)
    return {**sent(login), **made}


def logout_request(command):
    role = command["role"]
    logout = recalled(role, lasso.Logout(SERVERS[role]))
    logout.initRequest(OURS, METHODS[command["method"]])
    logout.buildRequestMsg()
    STATE[role + " logout"] = logout.dump()
    made = subject(logout.nameIdentifier, logout.request.sessionIndex, logout.request.issuer.content)
    return {**sent(logout), **made, "id": logout.request.iD}


def judge_request(command):
    logout = lasso.Logout(SERVERS[command["role"]])
    logout.processRequestMsg(command["message"])
    if logout.signatureStatus not in (None, 0):
        raise ValueError("signature status %s" % logout.signatureStatus)
    return subject(logout.nameIdentifier, logout.request.sessionIndex, logout.request.issuer.content)


def answer_request(command):
    role = command["role"]
    logout = recalled(role, lasso.Logout(SERVERS[role]))
    logout.processRequestMsg(command["message"])
    logout.validateRequest()
    logout.buildResponseMsg()
    return sent(logout)


def judge_response(command):
    role = command["role"]
    # Made anew, so that one answer can be judged in many shapes: lasso is done with a request once it was answered.
    logout = recalled(role, lasso.Logout.newFromDump(SERVERS[role], STATE[role + " logout"]))
    logout.processResponseMsg(command["message"])
    return {"issuer": logout.response.issuer.content, "status": logout.response.status.statusCode.value}


COMMANDS = {
    "authnRequest": authn_request,
    "acceptResponse": accept_response,
    "respond": respond,
    "logoutRequest": logout_request,
    "judgeRequest": judge_request,
    "answerRequest": answer_request,
    "judgeResponse": judge_response,
}

for line in sys.stdin:
    command = json.loads(line)
    try:
        answer = COMMANDS[command["do"]](command)
    except Exception as error:  # every failure is an answer: that it was refused
        answer = {"error": "%s %s" % (type(error).__name__, error)}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
