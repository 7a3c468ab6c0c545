import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type ChannelTruth, sectionsOf, truthSection, withSections } from '../truth-table.ts'

const record = { behaviour: 'down', outcome: 'retrying', finally: 'unreachable', session: 'lives', browser: 'by itself' }
const truth: ChannelTruth = {
  id: 'saml-soap',
  name: 'SAML SOAP',
  impossible: { 'answers twice': 'there is one answer' },
  starters: ['participant, SOAP', 'user at the authority', 'administrator', 'expiry'],
  records: [
    { ...record, starter: 'participant, SOAP', told: 'PartialLogout' },
    { ...record, starter: 'administrator', told: 'Not signed out everywhere' },
    { ...record, starter: 'expiry', told: 'Signed out', outcome: 'ended', finally: 'ended' }
  ]
}

suite('The table of hostile participants', () => {
  test('says of a behaviour what most starters saw, who saw something else, and what each was told', () => {
    const line = truthSection(truth)
      .split('\n')
      .find((one) => one.startsWith('| down'))
    const told = ['–', 'partial', 'not run', '–', '–', '–', 'partial', 'complete']
    assert.equal(line, `| ${['down', '`retrying`, then `unreachable`, `ended` (expiry)', 'lives', 'by itself', ...told].join(' | ')} |`)
  })

  test('says why a behaviour is not possible, and has no row for it', () => {
    const section = truthSection(truth)
    assert.ok(section.includes('- answers twice: not possible, there is one answer.'))
    assert.ok(!section.includes('| answers twice'))
  })

  test('puts a section where it stands already, and a new one last', () => {
    const page = withSections('# Page\n', [truth])
    const changed = withSections(`${page}\nBehind it.\n`, [
      { ...truth, name: 'SOAP' },
      { ...truth, id: 'other' }
    ])
    assert.deepEqual([...sectionsOf(changed).keys()], ['saml-soap', 'other'])
    assert.ok(changed.indexOf('## SOAP') < changed.indexOf('Behind it.'))
    assert.equal(withSections(changed, [{ ...truth, name: 'SOAP' }]), changed)
  })
})
