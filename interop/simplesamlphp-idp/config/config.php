<?php

// Settings of the identity provider. What differs from run to run comes from the environment.
$folder = getenv('INTEROP_FOLDER');

$config = [
    'baseurlpath' => getenv('INTEROP_ORIGIN') . '/simplesaml/',
    'certdir' => $folder . '/cert/',
    'loggingdir' => $folder . '/log/',
    'datadir' => $folder . '/data/',
    'tempdir' => $folder . '/tmp',
    'metadatadir' => $folder . '/metadata/',
    'secretsalt' => getenv('INTEROP_SECRET'),
    'auth.adminpassword' => getenv('INTEROP_SECRET'),
    'admin.protectindexpage' => true,
    'timezone' => 'UTC',
    'technicalcontact_email' => 'na@example.org',
    'logging.level' => 6,
    'logging.handler' => 'file',
    'logging.logfile' => 'simplesamlphp.log',
    'enable.saml20-idp' => true,
    'module.enable' => ['exampleauth' => true],
    'session.cookie.secure' => false,
    'session.cookie.name' => 'SspSession',
    'session.authtoken.cookiename' => 'SspAuthToken',
    'session.phpsession.cookiename' => 'SspPhp',
    'language.default' => 'en',
    'theme.use' => 'default',
    'store.type' => 'sql',
    'store.sql.dsn' => 'sqlite:' . $folder . '/data/sessions.sqlite',
    'store.sql.prefix' => 'ssp',
    'metadata.sources' => [
        ['type' => 'flatfile'],
        ['type' => 'xml', 'file' => $folder . '/metadata/authority.xml'],
    ],
];
