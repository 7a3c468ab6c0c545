<?php

require_once '/usr/share/simplesamlphp/lib/_autoload.php';

$auth = new \SimpleSAML\Auth\Simple('curfew');
$auth->requireAuth();
$name = $auth->getAuthData('saml:sp:NameID');
$mail = $auth->getAttributes()['mail'][0] ?? '';
?>
<!doctype html>
<meta charset="utf-8">
<title>SimpleSAMLphp: inside</title>
<h1>Inside SimpleSAMLphp</h1>
<p>Name <b id="name"><?= htmlspecialchars($name->getValue()) ?></b>, mail <b id="mail"><?= htmlspecialchars($mail) ?></b></p>
