import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { systemClock } from '../platform/clock.ts'
import type { CommandContext, GlobalOptions } from './context.ts'
import { type ExitCode, exitCode } from './exit-code.ts'
import { explain } from './explain.ts'
import { type FilterQuery, readFilter } from './filter-text.ts'
import { sinceMs } from './since.ts'
import { createTerminal, type Terminal } from './terminal.ts'
import { version } from './version.ts'

/** The command line. Commands load what they need when they run, so that help is quick. */
export function buildProgram(run: (action: (context: CommandContext) => Promise<ExitCode>) => Promise<void>): Command {
  const program = example(
    new Command('curfew').description('Session authority: sign in once, sign out everywhere, and prove it.'),
    'curfew demo',
    'curfew init && curfew start',
    'curfew logout --user ana --watch'
  )
    .version(version, '-V, --version')
    .option('--config <file>', 'configuration (default: curfew.yaml, else the demo in this folder)')
    .option('--server <url>', 'admin API to talk to')
    .option('--token-file <file>', 'token of the admin API; else CURFEW_ADMIN_TOKEN, else that of the configuration at its own address')
    .option('--json', 'result as JSON')
    .option('--ndjson', 'result as one JSON object per line')
    .option('--no-color', 'no colours')
    .option('--no-input', 'never ask')
    .option('--quiet', 'results and errors only')
    .option('--verbose', 'debug log lines, and where an error came from')
    .showHelpAfterError('Help: curfew --help')
    .exitOverride()
  const on = (command: Command, action: (context: CommandContext, parsed: Command) => Promise<ExitCode>): Command =>
    command.action(async (...given: unknown[]) => run((context) => action(context, given.at(-1) as Command)))
  addServerCommands(program, on)
  addSessionCommands(program, on)
  addClusterCommands(program, on)
  addRunCommands(program, on)
  addToolCommands(program, on)
  addBrandCommands(program, on)
  return program
}

type On = (command: Command, action: (context: CommandContext, parsed: Command) => Promise<ExitCode>) => Command

function addServerCommands(program: Command, on: On): void {
  on(
    example(
      program.command('demo').description('An authority, an identity provider upstream and nine applications on this machine'),
      'curfew demo',
      'curfew demo --once',
      'curfew demo --regions 2 --nodes 4'
    )
      .option('--port <port>', 'first port', wholeNumber(1, 65_516), 4600)
      .option('--open', 'open the browser')
      .option('--hosts-line', 'print the hosts-file line for browsers that do not know *.localhost')
      .option('--regions <count>', 'regions that tell each other, each with a server of its own (needs redis-server or valkey-server)', wholeNumber(1, 4))
      .option('--nodes <count>', 'processes of the authority, over all regions', wholeNumber(1, 32))
      .option('--once', 'check the whole journey and stop'),
    async (context, parsed) => (await import('./commands/demo.ts')).demo(context, parsed.opts())
  )
  on(
    example(
      program.command('init').description('Make a configuration, keys and a users file'),
      'curfew init',
      'curfew init --base-url https://login.example.com --user ana --user-password ana'
    )
      .option('--directory <folder>', 'where (default: here)')
      .option('--base-url <url>', 'address of the authority')
      .option('--organisation <name>', 'name that people see')
      .option('--user <name>', 'first user')
      .option('--user-password <password>', 'password of the first user, for tests'),
    async (context, parsed) => (await import('./commands/init.ts')).init(context, parsed.opts())
  )
  on(
    example(
      program.command('start').description('Run the authority'),
      'curfew start',
      'curfew start --config /etc/curfew/curfew.yaml',
      'curfew start --workers auto'
    ).option('--workers <n>', 'processes that share the listeners: a number, or auto for one on each core; more than one needs store.kind: redis', workers),
    async (context, parsed) => (await import('./commands/start.ts')).start(context, parsed.opts())
  )
  on(
    example(program.command('gateway').description('Run a gateway alone, in front of applications'), 'curfew gateway', 'curfew gateway --config gateway.yaml'),
    async (context) => (await import('./commands/gateway.ts')).gateway(context)
  )
  on(example(program.command('validate').description('Check the configuration'), 'curfew validate'), async (context) =>
    (await import('./commands/validate.ts')).validate(context)
  )
  const config = example(program.command('config').description('Look at the configuration'), 'curfew config show --origin')
  on(
    example(config.command('show').description('Every effective setting'), 'curfew config show --origin').option('--origin', 'where each value comes from'),
    async (context, parsed) => (await import('./commands/validate.ts')).showConfig(context, parsed.opts())
  )
  on(
    example(
      config.command('diff').description('What would be different after a new start: the file beside what the server was started with'),
      'curfew config diff',
      'curfew config diff --json'
    ),
    async (context) => (await import('./commands/config-diff.ts')).diffConfig(context)
  )
  on(
    example(program.command('doctor').description('Look at what usually goes wrong'), 'curfew doctor', 'curfew doctor --connection payroll').option(
      '--connection <id>',
      'only this connection'
    ),
    async (context, parsed) => (await import('./commands/doctor.ts')).doctor(context, parsed.opts())
  )
}

function addClusterCommands(program: Command, on: On): void {
  const cluster = example(program.command('cluster').description('Nodes that share the store'), 'curfew cluster status', 'curfew cluster drain login-1')
  on(
    example(cluster.command('status').description('Every node, and how the store is'), 'curfew cluster status', 'curfew cluster status --json'),
    async (context) => (await import('./commands/cluster.ts')).clusterStatus(context)
  )
  on(example(cluster.command('owner <session>').description('Where a session is kept'), 'curfew cluster owner ses_...'), async (context, parsed) =>
    (await import('./commands/cluster.ts')).clusterOwner(context, parsed.args[0] ?? '')
  )
  on(
    example(
      cluster.command('drain <node>').description('Let a node stop taking work and hand over what it has, so that it can be stopped'),
      'curfew cluster drain login-1',
      'curfew cluster drain login-1 --undo'
    )
      .option('--undo', 'let it take work again')
      .option('--wait <seconds>', 'how long to wait until it has nothing any more', wholeNumber(0, 3_600), 60),
    async (context, parsed) => (await import('./commands/cluster.ts')).clusterDrain(context, parsed.args[0] ?? '', parsed.opts())
  )
  on(
    example(
      cluster.command('forget <group>').description('Let a new store take the place of one that a group lost for good'),
      'curfew cluster forget paris',
      'curfew cluster forget paris --yes'
    ).option('--yes', 'do not ask'),
    async (context, parsed) => (await import('./commands/cluster.ts')).clusterForget(context, parsed.args[0] ?? '', parsed.opts())
  )
}

function addSessionCommands(program: Command, on: On): void {
  const users = example(program.command('users').description('Local users'), 'curfew users list', 'curfew users add ana')
  const withPassword = (command: Command): Command => command.option('--password-stdin', 'read the password from standard input')
  on(example(users.command('list').description('Who can sign in'), 'curfew users list'), async (context) =>
    (await import('./commands/users.ts')).listUsers(context)
  )
  on(
    withPassword(example(users.command('add <name>').description('Add a user'), 'curfew users add ana --attribute mail=ana@example.com'))
      .option('--attribute <name=value>', 'an attribute; may be repeated', collect, [])
      .option('--must-change', 'a new password has to be chosen at the first sign-in'),
    async (context, parsed) =>
      (await import('./commands/users.ts')).addUser(context, parsed.args[0] ?? '', { ...parsed.opts(), attribute: parsed.opts()['attribute'] as string[] })
  )
  on(
    withPassword(example(users.command('password <name>').description('Change a password'), 'curfew users password ana')).option(
      '--must-change',
      'a new password has to be chosen at the next sign-in'
    ),
    async (context, parsed) => (await import('./commands/users.ts')).changePassword(context, parsed.args[0] ?? '', parsed.opts())
  )
  on(example(users.command('reset <name>').description('Make a link for choosing a new password'), 'curfew users reset ana'), async (context, parsed) =>
    (await import('./commands/users.ts')).resetPassword(context, parsed.args[0] ?? '')
  )
  on(example(users.command('links <name>').description('Accounts elsewhere that are linked to a user'), 'curfew users links ana'), async (context, parsed) =>
    (await import('./commands/users.ts')).listAccountLinks(context, parsed.args[0] ?? '')
  )
  on(
    example(users.command('unlink <name> [link]').description('Remove one of these links, or all'), 'curfew users unlink ana').option('--yes', 'do not ask'),
    async (context, parsed) => (await import('./commands/users.ts')).unlinkAccount(context, parsed.args[0] ?? '', parsed.args[1], parsed.opts())
  )
  const barring = (command: Command): Command =>
    command.option('--yes', 'do not ask').option('--keep-sessions', 'sessions of the user go on until they end by themselves')
  on(
    barring(example(users.command('disable <name>').description('Let a user sign in no more, and end the sessions'), 'curfew users disable ana')),
    async (context, parsed) => (await import('./commands/user-access.ts')).disableUser(context, parsed.args[0] ?? '', parsed.opts())
  )
  on(example(users.command('enable <name>').description('Let a disabled user sign in again'), 'curfew users enable ana'), async (context, parsed) =>
    (await import('./commands/user-access.ts')).enableUser(context, parsed.args[0] ?? '')
  )
  on(
    barring(
      example(users.command('remove <name>').description('Remove a user, and end the sessions'), 'curfew users remove ana', 'curfew users remove ana --yes')
    ),
    async (context, parsed) => (await import('./commands/user-access.ts')).removeUser(context, parsed.args[0] ?? '', parsed.opts())
  )
  const sessions = example(program.command('sessions').description('Who is signed in'), 'curfew sessions list --user ana', 'curfew sessions show ses_...')
  on(
    paged(
      example(
        sessions.command('list').description('Live sessions'),
        'curfew sessions list',
        'curfew sessions list --user ana',
        'curfew sessions list --idp campus --since 2h --json'
      )
    )
      .option('--user <name>', 'only this user')
      .option('--app <id>', 'only sessions with this application')
      .option('--idp <id>', 'only those who signed in there: an identity provider, or the form')
      .option('--since <when>', 'only those opened since: 30m, 2h, 7d or a date', since)
      .option('--all', 'ended ones too'),
    async (context, parsed) => (await import('./commands/sessions.ts')).listSessions(context, parsed.opts())
  )
  on(example(sessions.command('show <id>').description('One session'), 'curfew sessions show ses_...'), async (context, parsed) =>
    (await import('./commands/sessions.ts')).showSession(context, parsed.args[0] ?? '')
  )
  on(
    example(sessions.command('revoke <id>').description('End one session'), 'curfew sessions revoke ses_...', 'curfew sessions revoke ses_... --yes')
      .option('--end-offline', 'end offline grants, too')
      .option('--yes', 'do not ask'),
    async (context, parsed) => (await import('./commands/sessions.ts')).revokeSession(context, parsed.args[0] ?? '', parsed.opts())
  )
}

function addRunCommands(program: Command, on: On): void {
  on(
    example(
      program.command('logout').description('End sessions and tell every application'),
      'curfew logout --user ana --watch',
      'curfew logout --all --app payroll --dry-run',
      'curfew logout --all --idp campus --dry-run'
    )
      .option('--user <name>', 'whose sessions')
      .option('--all', 'every live session')
      .option('--app <id>', 'only sessions with this application')
      .option('--idp <id>', 'only sessions of those who signed in there: an identity provider, or the form')
      .option('--reason <text>', 'note for the audit log')
      .option('--end-offline', 'end offline grants, too')
      .option('--watch', 'show what happens')
      .option('--dry-run', 'say what would happen')
      .option('--yes', 'do not ask'),
    async (context, parsed) => (await import('./commands/logout.ts')).logout(context, parsed.opts())
  )
  on(
    example(
      program.command('tail').description('What happens, as it happens: sign-ins, endings, messages, outcomes'),
      'curfew tail',
      "curfew tail --filter 'app=payroll outcome=failed'",
      "curfew tail --since 1h --no-follow --filter 'event=session.*' --ndjson"
    )
      .option('--filter <words>', 'only what fits: user, app, event, outcome, session, run, code, each with = and values with commas between them', filter)
      .option('--since <when>', 'from then on: 30m, 2h, 7d or a date (default: from now on)', since)
      .option('--no-follow', 'stop at the newest event'),
    async (context, parsed) => (await import('./commands/tail.ts')).tail(context, parsed.opts())
  )
  const runs = example(program.command('runs').description('Logouts'), 'curfew runs list --open', 'curfew runs show run_... --why')
  on(
    paged(example(runs.command('list').description('Latest runs'), 'curfew runs list', 'curfew runs list --open'))
      .option('--user <name>', 'only this user')
      .option('--app <id>', 'only runs with this application')
      .option('--since <when>', 'only those started since: 30m, 2h, 7d or a date', since)
      .option('--open', 'only those that are not done'),
    async (context, parsed) => (await import('./commands/runs.ts')).listRuns(context, parsed.opts())
  )
  on(
    example(runs.command('show <id>').description('One run, application by application'), 'curfew runs show run_... --why').option(
      '--why',
      'only what was not confirmed, and what to do'
    ),
    async (context, parsed) => (await import('./commands/runs.ts')).showRun(context, parsed.args[0] ?? '', parsed.opts())
  )
  on(
    example(
      runs.command('open <file>').description('One run that was exported, without a server; - for standard input'),
      'curfew runs open run.json',
      'curfew runs open run.json --why'
    ).option('--why', 'only what was not confirmed, and what to do'),
    async (context, parsed) => (await import('./commands/runs.ts')).openRun(context, parsed.args[0] ?? '', parsed.opts())
  )
  on(example(runs.command('watch <id>').description('Follow a run'), 'curfew runs watch run_...'), async (context, parsed) =>
    (await import('./commands/runs.ts')).watchOne(context, parsed.args[0] ?? '')
  )
  on(example(runs.command('retry <id> [delivery]').description('Ask again those that did not confirm'), 'curfew runs retry run_...'), async (context, parsed) =>
    (await import('./commands/runs.ts')).retryRun(context, parsed.args[0] ?? '', parsed.args[1])
  )
  on(
    example(runs.command('export <id>').description('A run or its receipt as a file'), 'curfew runs export run_... --receipt --out receipt.jws')
      .option('--receipt', 'the signed receipt')
      .option('--out <file>', 'write to this file'),
    async (context, parsed) => (await import('./commands/runs.ts')).exportRun(context, parsed.args[0] ?? '', parsed.opts())
  )
}

function addToolCommands(program: Command, on: On): void {
  const connections = example(
    program.command('connections').description('Partners'),
    'curfew connections list',
    'curfew connections add --metadata peers/wiki.xml'
  )
  on(example(connections.command('list').description('All partners'), 'curfew connections list'), async (context) =>
    (await import('./commands/connections.ts')).listConnections(context)
  )
  on(example(connections.command('show <id>').description('One partner'), 'curfew connections show payroll'), async (context, parsed) =>
    (await import('./commands/connections.ts')).showConnection(context, parsed.args[0] ?? '')
  )
  on(
    example(
      connections.command('add').description('Add one SAML partner to curfew.yaml, by its metadata'),
      'curfew connections add --metadata peers/wiki.xml --name Wiki',
      'curfew connections add --metadata https://idp.campus.example/idp/shibboleth --id campus',
      'curfew connections add --metadata federation.xml --entity https://wiki.example.com/shibboleth --plan'
    )
      .requiredOption('--metadata <source>', 'its metadata: a file, or an address that is read again every hour')
      .option('--name <name>', 'name shown to people; the id is made of it')
      .option('--id <id>', 'short name for commands, addresses and logs')
      .option('--entity <id>', 'which one, where the metadata holds several')
      .addOption(new Option('--as <role>', 'which role, where it has both').choices(['application', 'identity-provider']))
      .option('--certificate <file>', 'certificate that signs the metadata, PEM: it is checked now and at every reading')
      .option('--plan', 'only say what would be added; write nothing'),
    async (context, parsed) => (await import('./commands/add-connection.ts')).addConnection(context, parsed.opts())
  )
  const clients = example(program.command('clients').description('OpenID clients that registered themselves'), 'curfew clients list')
  on(example(clients.command('list').description('All of them'), 'curfew clients list'), async (context) =>
    (await import('./commands/clients.ts')).listClients(context)
  )
  on(
    example(clients.command('remove <id>').description('Remove one; what it was given is worth nothing then'), 'curfew clients remove dyn-...').option(
      '--yes',
      'do not ask'
    ),
    async (context, parsed) => (await import('./commands/clients.ts')).removeClient(context, parsed.args[0] ?? '', parsed.opts())
  )
  const streams = example(program.command('streams').description('Streams of shared signals'), 'curfew streams list')
  on(example(streams.command('list').description('All of them, and how they are doing'), 'curfew streams list'), async (context) =>
    (await import('./commands/streams.ts')).listStreams(context)
  )
  on(example(streams.command('show <connection>').description('The stream of one client'), 'curfew streams show radar'), async (context, parsed) =>
    (await import('./commands/streams.ts')).showStream(context, parsed.args[0] ?? '')
  )
  on(
    example(streams.command('pause <connection>').description('Send nothing for now; what is owed is kept'), 'curfew streams pause radar').option(
      '--reason <text>',
      'shown to the receiver'
    ),
    async (context, parsed) => (await import('./commands/streams.ts')).setStreamStatus(context, parsed.args[0] ?? '', 'paused', parsed.opts())
  )
  on(example(streams.command('resume <connection>').description('Send again'), 'curfew streams resume radar'), async (context, parsed) =>
    (await import('./commands/streams.ts')).setStreamStatus(context, parsed.args[0] ?? '', 'enabled', {})
  )
  on(example(streams.command('verify <connection>').description('Send a token that proves the way'), 'curfew streams verify radar'), async (context, parsed) =>
    (await import('./commands/streams.ts')).verifyStream(context, parsed.args[0] ?? '')
  )
  const openToken = example(
    program.command('opentoken').description('Settings that applications by OpenToken share with this server'),
    'curfew opentoken export forms > agent-config.txt'
  )
  on(
    example(openToken.command('export <id>').description('Write the agent-config.txt of one adapter'), 'curfew opentoken export forms > agent-config.txt'),
    async (context, parsed) => (await import('./commands/opentoken.ts')).exportAgentConfig(context, parsed.args[0] ?? '')
  )
  on(
    example(openToken.command('import <file>').description('Turn an agent-config.txt into lines of curfew.yaml'), 'curfew opentoken import agent-config.txt'),
    async (context, parsed) => (await import('./commands/opentoken.ts')).importAgentConfig(context, parsed.args[0] ?? '')
  )
  on(
    example(
      program
        .command('inspect <input>')
        .description('Decode and judge a SAML message, metadata, JWT, OpenToken or id (run_, ses_, msg_): address, text, file, or - for standard input'),
      'curfew inspect message.xml',
      "curfew inspect 'https://app.example.com/slo?SAMLRequest=...'",
      'curfew inspect run_...'
    ).option('--reveal', 'names, attributes and signatures in full; else they are shortened'),
    async (context, parsed) => (await import('./commands/inspect.ts')).inspect(context, parsed.args[0] ?? '', parsed.opts())
  )
  const imports = example(
    program.command('import').description('Settings of the product that is replaced, and of partners'),
    'curfew import pingfederate /opt/pingfederate'
  )
  on(
    drafted(
      example(
        imports
          .command('pingfederate <paths...>')
          .description(
            'Turn the cluster files of one PingFederate node, and the session policies of its admin API or bulk export, into a part of curfew.yaml, and say what became of every entry'
          ),
        'curfew import pingfederate /opt/pingfederate --out cluster.yaml --report import.md',
        'curfew import pingfederate run.properties cluster-adaptive.conf size-limits.conf',
        'curfew import pingfederate global.json policies.json'
      )
    ),
    async (context, parsed) => (await import('./commands/import.ts')).importPingFederate(context, parsed.args, parsed.opts())
  )
  on(
    drafted(
      example(
        imports
          .command('metadata <source>')
          .description('Turn SAML metadata, a file or an address, into connections for curfew.yaml, and say of everything that it publishes what became of it'),
        'curfew import metadata peers/wiki.xml',
        'curfew import metadata federation.xml --entity https://wiki.example.com/saml --out wiki.yaml',
        'curfew import metadata https://federation.example.org/all.xml --certificate federation.pem --plan'
      )
    )
      .option('--entity <id>', 'only this entity; may be repeated', collect, [])
      .option('--certificate <file>', 'certificate that signs the metadata, PEM: it is checked now and at every reading'),
    async (context, parsed) =>
      (await import('./commands/import-metadata.ts')).importMetadataFrom(context, parsed.args[0] ?? '', {
        ...parsed.opts(),
        entity: parsed.opts()['entity'] as string[]
      })
  )
  on(
    drafted(
      example(
        imports
          .command('keycloak <files...>')
          .description('Turn the export of one Keycloak realm, and its files of users, into a part of curfew.yaml, and say what became of everything in it'),
        'curfew import keycloak realm.json --plan',
        'curfew import keycloak realm.json --out realm.yaml --report realm.md',
        'curfew import keycloak realm.json realm-users-0.json --out realm.yaml --users users.yaml'
      )
    ).option('--users <file>', 'write users with Argon2id hashes into this new users file'),
    async (context, parsed) => (await import('./commands/import-keycloak.ts')).importKeycloakFrom(context, parsed.args, parsed.opts())
  )
  on(
    drafted(
      example(
        imports
          .command('shibboleth <files...>')
          .description(
            'Turn idp.properties, ldap.properties, relying-party.xml and metadata-providers.xml of a Shibboleth identity provider into a part of curfew.yaml, with the partners whose metadata they name'
          ),
        'curfew import shibboleth /opt/shibboleth-idp/conf/idp.properties /opt/shibboleth-idp/conf/metadata-providers.xml --plan',
        'curfew import shibboleth conf/idp.properties conf/ldap.properties conf/relying-party.xml conf/metadata-providers.xml --out idp.yaml'
      )
    )
      .option('--entity <id>', 'only this partner; may be repeated', collect, [])
      .option('--home <folder>', 'what %{idp.home} stands for (default: the folder above that of the first file)'),
    async (context, parsed) =>
      (await import('./commands/import-shibboleth.ts')).importShibbolethFrom(context, parsed.args, {
        ...parsed.opts(),
        entity: parsed.opts()['entity'] as string[]
      })
  )
  const certs = example(program.command('certs').description('Keys and certificates, and when they end'), 'curfew certs list', 'curfew certs renew --plan')
  on(
    example(
      certs.command('list').description('Every certificate this server works with, its own and those of partners; the one that ends first at the top'),
      'curfew certs list',
      'curfew certs list --json'
    ),
    async (context) => (await import('./commands/certs.ts')).listCertificates(context)
  )
  on(
    example(
      certs.command('renew').description('Make the next key and its certificate, and add them to curfew.yaml beside those in use'),
      'curfew certs renew --plan',
      'curfew certs renew',
      'curfew certs renew --for decryption'
    )
      .addOption(
        new Option('--for <use>', 'signing: it is published now and signs once you put it first; decryption: partners encrypt to it from now on')
          .choices(['signing', 'decryption'])
          .default('signing')
      )
      .option('--days <n>', 'how long the certificate counts', wholeNumber(1, 7_300), 3_650)
      .option('--plan', 'only say what would be made; write nothing'),
    async (context, parsed) => (await import('./commands/renew-key.ts')).renewKey(context, parsed.opts())
  )
  const trigger = example(program.command('trigger').description('Make a demo partner misbehave'), 'curfew trigger logout --partner legacy --fault no-response')
  on(
    example(trigger.command('logout').description('Set a fault, then sign out'), 'curfew trigger logout --partner legacy --fault no-response')
      .requiredOption('--partner <id>', 'demo application: legacy, which is asked by its server, or payroll, which the browser is sent to')
      .addOption(
        new Option(
          '--fault <fault>',
          'how it misbehaves; legacy: none, slow, no-response, down, error-500, bad-signature, wrong-binding, wrong-session-index, partial; payroll: none, no-return'
        ).default('none')
      )
      .option('--user <name>', 'who signs out', 'ana'),
    async (context, parsed) => (await import('./commands/trigger.ts')).triggerLogout(context, parsed.opts())
  )
  on(
    example(
      trigger.command('login').description('Set a fault, then sign in, as a browser without scripts does'),
      'curfew trigger login --partner wiki',
      'curfew trigger login --partner legacy --fault bad-signature'
    )
      .requiredOption('--partner <id>', 'demo application')
      .addOption(
        new Option('--fault <fault>', 'how it misbehaves; legacy: none, slow, no-response, down, error-500, bad-signature; the others: none').default('none')
      )
      .option('--user <name>', 'who signs in', 'ana'),
    async (context, parsed) => (await import('./commands/trigger.ts')).triggerLogin(context, parsed.opts())
  )
  on(
    example(
      program.command('docs [topic]').description('The documentation of this version: a page as Markdown, or the list of all'),
      'curfew docs',
      'curfew docs tls',
      'curfew docs CURFEW_RUN_DEADLINE'
    ),
    async (context, parsed) => (await import('./commands/docs.ts')).docs(context, parsed.args[0])
  )
  on(
    example(
      program.command('completion [shell]').description('What makes bash, zsh or fish complete commands and options'),
      'curfew completion fish | source',
      'eval "$(curfew completion bash)"'
    ),
    async (context, parsed) => (await import('./commands/completion.ts')).completion(context, program, parsed.args[0])
  )
  on(example(program.command('version').description('The version of this product'), 'curfew version'), async (context) => {
    context.terminal.out(version)
    return exitCode.done
  })
}

function addBrandCommands(program: Command, on: On): void {
  const brand = example(program.command('brand').description('Name, colours and words of the pages'), 'curfew brand preview')
  on(
    example(
      brand.command('preview').description('Write every page in every state as files, light and dark, to look at before people see them'),
      'curfew brand preview',
      'curfew brand preview --out /tmp/pages --language en --language de'
    )
      .option('--out <folder>', 'where; a former preview there is written over', 'brand-preview')
      .addOption(new Option('--language <code>', 'only this language; may be repeated').argParser(languages).default([])),
    async (context, parsed) => (await import('./commands/brand.ts')).previewBrand(context, parsed.opts())
  )
}

function paged(command: Command): Command {
  return command
    .option('--limit <n>', 'lines at most (default: 50, with --json and --ndjson all); with --json one page and its nextCursor', wholeNumber(1, 500))
    .option('--cursor <cursor>', 'go on from here')
}

function drafted(command: Command): Command {
  return command
    .option('--plan', 'only say what would become of everything; write nothing')
    .option('--out <file>', 'write the settings to this file')
    .option('--report <file>', 'write the table to this file, as Markdown')
}

function workers(text: string): number | 'auto' {
  return text === 'auto' ? text : wholeNumber(1, 64)(text)
}

/** Reads a number, or says which ones there are. */
function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d{1,9}$/.test(text) || value < min || value > max) throw new InvalidArgumentError(`Use a whole number from ${min} to ${max}.`)
    return value
  }
}

/** Reads a point of time in the past. */
function since(text: string): number {
  const atMs = sinceMs(text, systemClock.nowMs())
  if (atMs === undefined) throw new InvalidArgumentError('Use 30m, 2h, 7d, or a date such as 2026-11-27 or 2026-11-27T10:00Z.')
  return atMs
}

/** Reads a filter of events. */
function filter(text: string): FilterQuery {
  try {
    return readFilter(text)
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error))
  }
}

/** Languages of the pages; held equal to them by a test, so that help needs no pages. */
const pageLanguages = ['en', 'de', 'fr', 'es'] as const

function languages(value: string, all: readonly string[]): readonly string[] {
  if (!pageLanguages.some((known) => known === value)) throw new InvalidArgumentError(`Use one of: ${pageLanguages.join(', ')}.`)
  return [...all, value]
}

function collect(value: string, all: readonly string[]): readonly string[] {
  return [...all, value]
}

/** Every help starts with examples. */
function example(command: Command, ...lines: readonly string[]): Command {
  return command.addHelpText('before', `Examples:\n${lines.map((line) => `  ${line}`).join('\n')}\n`)
}

/** Runs the command line and returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  process.stdout.on('error', endQuietly)
  let code: number = exitCode.done
  const program = buildProgram(async (action) => {
    const options = program.opts<GlobalOptions>()
    const terminal = createTerminal({
      stdout: process.stdout,
      stderr: process.stderr,
      environment: process.env,
      color: options.color,
      quiet: options.quiet === true,
      input: options.input
    })
    code = await guarded(terminal, options.verbose === true, () => action({ terminal, options, environment: process.env }))
  })
  for (const command of program.commands) overrideExit(command)
  try {
    await program.parseAsync([...argv])
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return error.exitCode === 0 ? exitCode.done : exitCode.usage
  }
  return code
}

/** A reader that has seen enough closes the pipe: `curfew runs list | head`. */
function endQuietly(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
  process.exit(exitCode.done)
}

function overrideExit(command: Command): void {
  command.exitOverride()
  for (const inner of command.commands) overrideExit(inner)
}

async function guarded(terminal: Terminal, isVerbose: boolean, action: () => Promise<ExitCode>): Promise<number> {
  try {
    return await action()
  } catch (error) {
    return explain(terminal, isVerbose, error)
  }
}
