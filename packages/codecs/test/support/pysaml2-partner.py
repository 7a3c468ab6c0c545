"""A SAML partner made of pysaml2: one JSON command per line in, one JSON answer per line out.

The folder in argv[1] holds ours.xml and, for sp and idp each, NAME.key, NAME.crt and both for decryption.
"""
import json
import logging
import os
import sys
from urllib.parse import parse_qsl

from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT, BINDING_SOAP
from saml2.client import Saml2Client
from saml2.config import IdPConfig, SPConfig
from saml2.pack import http_redirect_message, make_soap_enveloped_saml_thingy
from saml2.saml import NAMEID_FORMAT_PERSISTENT, NameID
from saml2.samlp import response_from_string
from saml2.server import Server
from saml2.sigver import RSACrypto, read_cert_from_file, verify_redirect_signature
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

FOLDER = sys.argv[1]
OURS = sys.argv[2]
BINDINGS = {"redirect": BINDING_HTTP_REDIRECT, "post": BINDING_HTTP_POST, "soap": BINDING_SOAP}
SHA256 = {"sign_alg": SIG_RSA_SHA256, "digest_alg": DIGEST_SHA256}
logging.disable(logging.CRITICAL)


def path(name):
    return os.path.join(FOLDER, name)


def config(name, make, service):
    base = "https://%s.example" % name
    logout = [(base + "/slo", BINDING_HTTP_REDIRECT), (base + "/slo", BINDING_HTTP_POST), (base + "/soap", BINDING_SOAP)]
    endpoints = {"single_logout_service": logout, **service.pop("endpoints")(base)}
    made = make()
    made.load(
        {
            "entityid": "urn:pysaml2:" + name,
            "metadata": {"local": [path("ours.xml")]},
            "key_file": path(name + ".key"),
            "cert_file": path(name + ".crt"),
            "encryption_keypairs": [{"key_file": path(name + ".decrypt.key"), "cert_file": path(name + ".decrypt.crt")}],
            "xmlsec_binary": "/usr/bin/xmlsec1",
            "accepted_time_diff": 60,
            "service": {name: {"endpoints": endpoints, **service}},
        }
    )
    return made


SP = Saml2Client(
    config(
        "sp",
        SPConfig,
        {
            "endpoints": lambda base: {"assertion_consumer_service": [(base + "/acs", BINDING_HTTP_POST)]},
            "authn_requests_signed": True,
            "want_assertions_signed": True,
            "want_response_signed": False,
            "allow_unknown_attributes": True,
        },
    )
)
IDP = Server(
    config=config(
        "idp",
        IdPConfig,
        {
            "endpoints": lambda base: {"single_sign_on_service": [(base + "/sso", BINDING_HTTP_REDIRECT)]},
            # It would look for a signature in the XML of a query too; the one of the query is checked below.
            "want_authn_requests_signed": False,
        },
    )
)
ENTITIES = {"sp": SP, "idp": IDP}
STATE = {}


def text(element):
    return element.text.strip() if element is not None and element.text else None


def subject(message):
    return {
        "nameId": message.name_id.text,
        "sessionIndex": message.session_index[0].text if message.session_index else None,
        "issuer": text(message.issuer),
        "id": message.id,
    }


def packed(entity, method, message, destination, typ):
    """What goes on the wire: pysaml2 leaves the signature of a query to its caller's transport."""
    if method == "soap":
        return {"body": make_soap_enveloped_saml_thingy(str(message))}
    if method == "post":
        return {"body": str(message)}
    sent = http_redirect_message(str(message), destination, "", typ, sigalg=SIG_RSA_SHA256, sign=True, backend=entity.sec.sec_backend)
    return {"url": dict(sent["headers"])["Location"]}


def authn_request(_):
    request_id, request = SP.create_authn_request("%s/sso" % OURS, binding=BINDING_HTTP_POST, nameid_format=NAMEID_FORMAT_PERSISTENT, sign=False)
    STATE["outstanding"] = {request_id: "/"}
    return {**packed(SP, "redirect", request, "%s/sso" % OURS, "SAMLRequest"), "id": request_id}


def accept_response(command):
    response = SP.parse_authn_request_response(command["message"], BINDING_HTTP_POST, STATE["outstanding"])
    if response is None:
        raise ValueError("no response")
    info = response.session_info()
    return {"nameId": info["name_id"].text, "sessionIndex": info["session_index"], "issuer": info["issuer"]}


def judged_query(role, query, typ):
    """The query signature, checked with the certificate of ours; then the message as it stands in it."""
    parameters = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True))
    certificate = read_cert_from_file(path("own.crt"), "pem")
    if not verify_redirect_signature(parameters, ENTITIES[role].sec.sec_backend, certificate):
        raise ValueError("the signature of the query is wrong")
    return parameters[typ]


def respond(command):
    request = IDP.parse_authn_request(judged_query("idp", command["query"], "SAMLRequest"), BINDING_HTTP_REDIRECT)
    args = IDP.response_args(request.message)
    name_id = NameID(format=NAMEID_FORMAT_PERSISTENT, text="a name & <more>", name_qualifier="urn:pysaml2:idp", sp_name_qualifier=OURS)
    response = IDP.create_authn_response(
        {"mail": ["a@example.com"]},
        args["in_response_to"],
        args["destination"],
        args["sp_entity_id"],
        name_id=name_id,
        authn={"class_ref": "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"},
        sign_assertion=True,
        sign_response=bool(command.get("signs")),
        encrypt_assertion=bool(command.get("encrypts")),
        **SHA256,
    )
    made = {"nameId": name_id.text, "issuer": "urn:pysaml2:idp", "body": str(response)}
    for assertion in response_from_string(str(response)).assertion:
        made["sessionIndex"] = assertion.authn_statement[0].session_index
    return made


def logout_request(command):
    entity = ENTITIES[command["role"]]
    method = command["method"]
    destination = "%s/%s" % (OURS, "soap" if method == "soap" else "slo")
    name_id = NameID(format=NAMEID_FORMAT_PERSISTENT, text=command["nameId"])
    request_id, request = entity.create_logout_request(
        destination, OURS, name_id=name_id, session_indexes=[command["sessionIndex"]], sign=method != "redirect", **SHA256
    )
    STATE[command["role"] + " logout"] = request_id
    made = packed(entity, method, request, destination, "SAMLRequest")
    return {**made, "id": request_id, "nameId": command["nameId"], "sessionIndex": command["sessionIndex"], "issuer": entity.config.entityid}


def parsed_request(command):
    entity = ENTITIES[command["role"]]
    method = command["method"]
    message = judged_query(command["role"], command["message"], "SAMLRequest") if method == "redirect" else command["message"]
    return entity, method, entity.parse_logout_request(message, BINDINGS[method]).message


def judge_request(command):
    return subject(parsed_request(command)[2])


def answer_request(command):
    entity, method, request = parsed_request(command)
    response = entity.create_logout_response(request, bindings=[BINDINGS[method]], sign=method != "redirect", **SHA256)
    return packed(entity, method, response, "%s/slo" % OURS, "SAMLResponse")


def judge_response(command):
    entity = ENTITIES[command["role"]]
    method = command["method"]
    message = judged_query(command["role"], command["message"], "SAMLResponse") if method == "redirect" else command["message"]
    response = entity.parse_logout_request_response(message, BINDINGS[method])
    return {"issuer": text(response.response.issuer), "status": response.response.status.status_code.value, "inResponseTo": response.in_response_to}


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
