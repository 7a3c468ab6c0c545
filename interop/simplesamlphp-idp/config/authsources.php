<?php

$config = ['people' => ['exampleauth:UserPass']];
foreach (explode(' ', getenv('INTEROP_USERS')) as $name) {
    $config['people'][$name . ':' . getenv('INTEROP_SECRET')] = ['uid' => [$name], 'mail' => [$name . '@example.com']];
}
