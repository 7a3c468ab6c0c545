<!doctype html>
<meta charset="utf-8">
<title>SimpleSAMLphp, identity provider: outside</title>
<h1>Outside of the identity provider</h1>
