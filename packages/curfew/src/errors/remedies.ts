import type { CodecCode } from '@curfew/codecs'
import type { ProductCode } from './catalogue.ts'

/** What to do, in one sentence, where one sentence is enough; every code has a page with the rest. */
const remedies: Readonly<Partial<Record<CodecCode | ProductCode, string>>> = {
  CURFEW_API_CONFLICT: 'Look at the present state first: curfew runs show <run>',
  CURFEW_API_EVENTS_FULL: 'Stop one of the others (curfew tail), or ask another node.',
  CURFEW_API_UNAUTHORISED: 'Give the token of this server with --token-file, or run the command where its curfew.yaml is.',
  CURFEW_API_VALIDATION: 'Correct the fields that are named; /v1/openapi.json describes them.',
  CURFEW_CLI_ADDRESS_IN_USE: 'Stop the program that listens there, or choose another port.',
  CURFEW_CLI_FAULT_UNKNOWN: 'Use one of the choices that are listed.',
  CURFEW_CLI_FILE: 'Choose another path, or make the folder and let this user write there.',
  CURFEW_CLI_INPUT_UNKNOWN:
    'Give an address with SAMLRequest or SAMLResponse, XML, base64, a JSON Web Token, an OpenToken, an id (run_, ses_, msg_), or a file with one of them.',
  CURFEW_CLI_PARTNER_UNKNOWN: 'Faults work with the demo partner: --partner legacy; without one sign-ins work with the others, too.',
  CURFEW_CLI_PROGRAM_MISSING: 'Install it: sudo apt-get install redis-server (or valkey-server).',
  CURFEW_CLI_RUN_FILE: 'Export it anew: curfew runs export <run> --out run.json. A receipt is looked at with curfew inspect.',
  CURFEW_CLI_SERVER_ADDRESS: 'Write it like this: --server http://127.0.0.1:9999',
  CURFEW_CLI_SERVER_FOREIGN: 'Give the address in admin.listen with --server: it is another one than that of the pages.',
  CURFEW_CLI_SERVER_UNREACHABLE: 'Start it with curfew start (or npm run demo), or say where it is with --server.',
  CURFEW_CLI_TOKEN_NEEDED: 'Give it with --token-file, or in the environment as CURFEW_ADMIN_TOKEN.',
  CURFEW_CLI_UNEXPECTED: 'Run it again with --verbose and report what it prints.',
  CURFEW_CLI_WORKERS_STORE: 'Use store.kind: redis, or start without --workers: the embedded store belongs to one process.',
  CURFEW_CLUSTER_LAST_NODE: 'Start another node, or let a drained one work again: curfew cluster drain <node> --undo',
  CURFEW_CLUSTER_MIXED_VERSIONS: 'Upgrade the other nodes first: stop, start, one after the other. curfew cluster status shows their versions.',
  CURFEW_CONFIG_FILE: 'Correct the path in curfew.yaml, or make the file readable for this user.',
  CURFEW_CONFIG_INVALID: 'See every finding with: curfew validate',
  CURFEW_CONFIG_KEY: 'Make a new pair in an empty folder with curfew init, or correct saml.keys in curfew.yaml.',
  CURFEW_CONFIG_USERS: 'Change the file with curfew users add|password|remove only.',
  CURFEW_IMPORT_JSON: 'Export it again: a policy or /bulk/export of the admin API of PingFederate, one realm of Keycloak.',
  CURFEW_IMPORT_NOTHING: 'Give the folder pingfederate of one node, its folder server/default/conf, or single files, JSON among them.',
  CURFEW_IMPORT_REFUSED: 'Correct the files and import them again; nothing was written.',
  CURFEW_PINGONE_NOT_SAML: 'An application without SAML sends the browser to /sso/initslo/ instead.',
  CURFEW_RUN_UNKNOWN: 'Find it with: curfew runs list',
  CURFEW_SESSION_UNKNOWN: 'Find it with: curfew sessions list',
  CURFEW_STORE_LOCKED: 'Stop the other process first, or give this one another store.file.',
  CURFEW_STORE_REFUSED: 'Correct store.redis.username and password, or store.redis.ca, certificate and key: why says which.'
}

export function remedyOf(code: string): string | undefined {
  return (remedies as Readonly<Record<string, string | undefined>>)[code]
}
