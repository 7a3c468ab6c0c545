<?php

$config = [
    'curfew' => [
        'saml:SP',
        'entityID' => getenv('INTEROP_ORIGIN') . '/sp',
        'idp' => getenv('INTEROP_AUTHORITY'),
        'privatekey' => 'sp.key.pem',
        'certificate' => 'sp.crt.pem',
        'signature.algorithm' => 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
        'sign.authnrequest' => true,
        'sign.logout' => true,
        'validate.logout' => true,
        'redirect.sign' => true,
        'redirect.validate' => true,
        // The resolver that PHP asks may not know names below .localhost.
        'saml.SOAPClient.proxyhost' => '127.0.0.1',
        'saml.SOAPClient.proxyport' => (int) getenv('INTEROP_NAME_PROXY'),
        'SingleLogoutServiceBinding' => [
            'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect',
            'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST',
            'urn:oasis:names:tc:SAML:2.0:bindings:SOAP',
        ],
    ],
];
