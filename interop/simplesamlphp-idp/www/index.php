<?php

require_once '/usr/share/simplesamlphp/lib/_autoload.php';

$auth = new \SimpleSAML\Auth\Simple('people');
$auth->requireAuth();
?>
<!doctype html>
<meta charset="utf-8">
<title>SimpleSAMLphp, identity provider: inside</title>
<h1>Inside the identity provider</h1>
