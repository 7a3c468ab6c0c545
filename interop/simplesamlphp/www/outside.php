<?php

require_once '/usr/share/simplesamlphp/lib/_autoload.php';

$status = ['Code' => '', 'SubCode' => ''];
if (isset($_REQUEST['LogoutState'])) {
    $state = \SimpleSAML\Auth\State::loadState((string) $_REQUEST['LogoutState'], 'InteropLogout');
    $status = $state['saml:sp:LogoutStatus'] ?? $status;
}
?>
<!doctype html>
<meta charset="utf-8">
<title>SimpleSAMLphp: outside</title>
<h1>Outside of SimpleSAMLphp</h1>
<p>Answer <b id="status"><?= htmlspecialchars(trim($status['Code'] . ' ' . ($status['SubCode'] ?? ''))) ?></b></p>
