import type { MessageKey } from '../../authority/pages/messages.ts'
import { problemBody, problemTexts, runProblemTexts } from '../../authority/pages/problem-page.ts'
import { gatewayProblemBody, gatewayTexts, loggedOutBody } from '../gateway-pages.ts'
import { exampleReference } from './example.ts'
import { type Section, state } from './state.ts'

/** A code for each text: the first that is told by it. */
function byText(texts: Readonly<Record<string, MessageKey>>): readonly (readonly [key: MessageKey, code: string])[] {
  const keys = [...new Set(Object.values(texts))]
  return keys.map((key) => [key, Object.keys(texts).find((code) => texts[code] === key) ?? ''])
}

/** `error.stateNotFound`, `CURFEW_RUN_UNKNOWN` => `error-state-not-found`, as a name of a file. */
function nameOf(start: string, key: MessageKey): string {
  const last = key.split('.').at(-1) ?? key
  return `${start}-${last.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

const general = 'CURFEW_SAML_SIGNATURE_INVALID'

export const problemStates: Section = {
  title: 'Errors',
  states: [
    state('error', 'Whatever has no sentence of its own', 'error.title', ({ t }) => problemBody(t, 'error.text', `${exampleReference} ${general}`)),
    ...[...byText(problemTexts), ...byText(runProblemTexts)].map(([key, code]) =>
      state(nameOf('error', key), code, 'error.title', ({ t }) => problemBody(t, key, `${exampleReference} ${code}`))
    )
  ]
}

export const gatewayStates: Section = {
  title: 'Gateway',
  states: [
    state('gateway-signed-out', 'Signed out at one host', 'gateway.loggedOutTitle', ({ t }) => loggedOutBody(t, 'reports.example', false)),
    state('gateway-provider-away', 'Signed out at one host, and the authority does not answer', 'gateway.loggedOutTitle', ({ t }) =>
      loggedOutBody(t, 'reports.example', true)
    ),
    state('gateway-error', 'Whatever has no sentence of its own', 'error.title', ({ t }) =>
      gatewayProblemBody(t, 'error.text', { reference: `${exampleReference} CURFEW_API_FAILED`, home: '/' })
    ),
    ...byText(gatewayTexts).map(([key, code]) =>
      state(nameOf('gateway', key), code, 'error.title', ({ t }) => gatewayProblemBody(t, key, { reference: `${exampleReference} ${code}`, home: '/' }))
    )
  ]
}
