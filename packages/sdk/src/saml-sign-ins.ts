import type { AppSession, SessionRegistry } from './session-registry.ts'

/** A sign-in that this application asked its identity provider for. */
export interface AskedSignIn {
  /** Where the user wants to go. */
  readonly to: string
  /** Which browser asked: the name in its cookie. */
  readonly browser: string
  /** It was asked for because another browser had brought an answer; once is enough. */
  readonly isAgain: boolean
  /** When, by the clock of the application. */
  readonly askedAtMs: number
  /** How many answers in a row nobody had asked for before it. */
  readonly unsolicited: number
}

/** An answer of the identity provider, verified and used up, that its browser has not come for. */
export interface ArrivedSignIn {
  readonly asked: AskedSignIn
  /** Opened when the browser that asked is the one that comes. */
  readonly session: AppSession
}

/** How long a sign-in may take from its request to the answer, in milliseconds. */
export const askedMsMax = 15 * 60_000
/** How long an answer waits for its browser, which is one redirect away. */
const arrivedMsMax = 2 * 60_000

type SignInOptions = {
  readonly sessions: SessionRegistry
  readonly randomBytes: (count: number) => Uint8Array
}

/**
 * Sign-ins under way, in the registry that the processes of the application share. A form of another site comes without
 * cookies, so an answer waits here, under a name that counts once, until the same browser is there with its cookie.
 */
export class SignIns {
  readonly #options: SignInOptions

  constructor(options: SignInOptions) {
    this.#options = options
  }

  async ask(requestId: string, asked: AskedSignIn, nowMs: number): Promise<void> {
    await this.#options.sessions.remember(`asked:${requestId}`, JSON.stringify(asked), nowMs + askedMsMax, nowMs, 'if-room')
  }

  /** The sign-in of that request; it has its answer now, and no other one counts. */
  async answered(requestId: string, nowMs: number): Promise<AskedSignIn | undefined> {
    const text = await this.#options.sessions.take(`asked:${requestId}`, nowMs)
    return text === undefined ? undefined : (JSON.parse(text) as AskedSignIn)
  }

  /** Keeps an answer; the name under which its browser comes for it. The provider signed for it: no stranger's request takes its room. */
  async keep(arrived: ArrivedSignIn, nowMs: number): Promise<string> {
    const name = randomName(this.#options.randomBytes)
    await this.#options.sessions.remember(`arrived:${name}`, JSON.stringify(arrived), nowMs + arrivedMsMax, nowMs)
    return name
  }

  async collect(name: string, nowMs: number): Promise<ArrivedSignIn | undefined> {
    const text = await this.#options.sessions.take(`arrived:${name}`, nowMs)
    return text === undefined ? undefined : (JSON.parse(text) as ArrivedSignIn)
  }
}

/** What the cookie of sign-ins under way says of a browser; the same for all that it has under way in its tabs. */
export interface SigningInBrowser {
  readonly name: string
  /** How many answers came that nobody had asked for since it was last signed in. */
  readonly unsolicited: number
}

const cookieShape = /^([\w-]{43})\.(\d)$/

export function readBrowser(cookie: string | undefined): SigningInBrowser | undefined {
  const [, name, unsolicited] = cookieShape.exec(cookie ?? '') ?? []
  return name === undefined ? undefined : { name, unsolicited: Number(unsolicited) }
}

export function newBrowser(randomBytes: SignInOptions['randomBytes']): SigningInBrowser {
  return { name: randomName(randomBytes), unsolicited: 0 }
}

export function browserCookie({ name, unsolicited }: SigningInBrowser): string {
  return `${name}.${unsolicited}`
}

function randomName(randomBytes: SignInOptions['randomBytes']): string {
  return Buffer.from(randomBytes(32)).toString('base64url')
}
