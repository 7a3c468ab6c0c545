<?php

require_once '/usr/share/simplesamlphp/lib/_autoload.php';

$auth = new \SimpleSAML\Auth\Simple('curfew');
$auth->logout([
    'ReturnTo' => getenv('INTEROP_ORIGIN') . '/outside.php',
    'ReturnStateParam' => 'LogoutState',
    'ReturnStateStage' => 'InteropLogout',
]);
